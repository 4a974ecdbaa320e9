-- intake: store new tasks and put them at the tails of their lists
-- USES task state status queue queues
-- INCLUDE bell events large groups weights stale tombstones
-- ids and bodies; the keys of their bodies and states; list -> ids, and the lists in order
-- and the group keys of those that have one
local newcomers = {ids = {}, bodies = {}, words = {}, states = {}, pushes = {}, lists = {}, groups = {}}

local function add_newcomer(id, body, list)
  local n, push = #newcomers.ids + 1, newcomers.pushes[list]
  check_size(body)
  newcomers.ids[n], newcomers.bodies[2 * n - 1], newcomers.bodies[2 * n] = id, TASK .. id, body
  newcomers.words[n], newcomers.states[n] = TASK .. id, STATE .. id
  if not push then
    push = {}
    newcomers.pushes[list] = push
    newcomers.lists[#newcomers.lists + 1] = list
  end
  push[#push + 1] = id
  newcomers.groups[id] = group_in(body)
end

-- reads only: the first id that is known already, or whose tombstone is not found
local function known_newcomer()
  if call('EXISTS', unpack(newcomers.words)) > 0 then
    for _, id in ipairs(newcomers.ids) do
      if call('STRLEN', TASK .. id) > 0 then return id end
    end
  end
  if not any_tombstones() then return nil end
  local tasks = {}
  for list, ids in pairs(newcomers.pushes) do
    for _, id in ipairs(ids) do tasks[#tasks + 1] = {id = id, list = list, group = newcomers.groups[id]} end
  end
  return look_for_tombstones(tasks)
end

-- reads only: {full list, its length} if there is no room for them
local function check_room(max_length)
  for _, list in ipairs(newcomers.lists) do
    for _, id in ipairs(newcomers.pushes[list]) do check_line(list, newcomers.groups[id]) end
    local length = waiting_in(list)
    if max_length > 0 and length + #newcomers.pushes[list] > max_length then return {list, length} end
  end
  if call('EXISTS', unpack(newcomers.states)) > 0 then
    for _, state in ipairs(newcomers.states) do call('HLEN', state) end
  end
  call('SCARD', STATUS .. 'pending')
  call('SCARD', QUEUES)
  look_for_stale(newcomers.ids)
end

local function let_in()
  forget_stale()
  forget_tombstones()
  note_size()
  call('MSET', unpack(newcomers.bodies))
  call('SADD', STATUS .. 'pending', unpack(newcomers.ids))
  for _, list in ipairs(newcomers.lists) do
    local push = newcomers.pushes[list]
    local entries = {}
    for _, id in ipairs(push) do entries[#entries + 1] = entry_of(id, list, newcomers.groups[id]) end
    if #entries > 0 then call('RPUSH', QUEUE .. list, unpack(entries)) end
    for _, id in ipairs(weighing and push or {}) do weigh(id, list) end
    local queue = string.match(list, '^(.*):')
    if queue then call('SADD', QUEUES, queue) end
    ring(list)
    for _, id in ipairs(listening and push or {}) do
      emit_submitted(id, 'pending', list)
    end
  end
end
