-- graph: store tasks of which some wait for others, all or none
-- USES    task state status queue queues counters family children gathered running result
-- INCLUDE clock bell events running family large groups weights stale tombstones
-- ARGV    max_length:number rest*
-- REPLY   {code, detail}: 1 stored, now or before; -1 and an id that holds another body; -2 and {full list, its length};
--         -3 and an id that is waited for and unknown; -4 and an id whose tombstone is not found, see lib/tombstones
-- rest is for each task id, body, list, policy, the number of those it waits for, and their ids: they stand before it in
-- this call, or are known. So there can be no circle. No allow-oom flag: it adds tasks.
local tasks, new, wanted, lists, looks, keys = {}, {}, {}, {}, {}, {}

-- reads only: what is known of tasks that are waited for and stored already; returns an id of which nothing is known
local function look_at(ids)
  local bodies, states = {}, {}
  for n, id in ipairs(ids) do bodies[n], states[n] = TASK .. id, STATE .. id end
  local all = call('EXISTS', unpack(bodies)) == #ids
  local records, completed = call('HMGET', RUNNING, unpack(ids)), call('SMISMEMBER', STATUS .. 'completed', unpack(ids))
  -- of what has just been stored nothing has a state
  local any_state = call('EXISTS', unpack(states)) > 0
  for n, id in ipairs(ids) do
    if not all and call('EXISTS', bodies[n]) == 0 then return id end
    local run, state = read_record(records[n]), any_state and call('HMGET', states[n], 'status', 'parents') or {}
    local status = run and 'running' or state[1] or (completed[n] == 1 and 'completed') or 'pending'
    local ended = status == 'completed' or status == 'failed' or status == 'cancelled'
    looks[id] = {run = run, status = status, parents = state[2],
      result = ended and (call('GET', RESULT .. id) or gone_json(id, 'its result has expired')) or ''}
  end
end

local at, outside = first_rest, {}
while at <= #ARGV do
  keys[#keys + 1], looks[ARGV[at]] = TASK .. ARGV[at], {result = ''}
  for i = at + 5, at + 4 + ARGV[at + 4] do
    if not looks[ARGV[i]] then outside[#outside + 1], looks[ARGV[i]] = ARGV[i], {} end
  end
  at = at + 5 + ARGV[at + 4]
end
local known = call('EXISTS', unpack(keys)) > 0
keys, at = {}, first_rest
while at <= #ARGV do
  local id, count = ARGV[at], tonumber(ARGV[at + 4])
  local body = known and call('GET', TASK .. id)
  if new[id] or (body and body ~= ARGV[at + 1]) then return {-1, id} end
  if body then outside[#outside + 1] = id end
  if not body then
    check_size(ARGV[at + 1])
    local task = {id = id, body = ARGV[at + 1], list = ARGV[at + 2], policy = ARGV[at + 3], needs = {},
      group = group_in(ARGV[at + 1])}
    for i = at + 5, at + 4 + count do task.needs[#task.needs + 1] = ARGV[i] end
    tasks[#tasks + 1], new[id] = task, true
    if not wanted[task.list] then lists[#lists + 1] = task.list end
    wanted[task.list] = (wanted[task.list] or 0) + 1
    keys[#keys + 1] = STATE .. id
  end
  at = at + 5 + count
end
if #tasks == 0 then return {1, 0} end
local unknown = #outside > 0 and look_at(outside)
if unknown then return {-3, unknown} end
for _, list in ipairs(lists) do
  local length = waiting_in(list)
  if max_length > 0 and length + wanted[list] > max_length then return {-2, {list, length}} end
end
-- a new task has none of these, unless somebody else has made them
for _, task in ipairs(tasks) do
  local name = task.id .. '/0'
  if task.group then check_line(task.list, task.group) end
  if #task.needs > 0 and call('EXISTS', FAMILY .. name, CHILDREN .. name, GATHERED .. name) > 0 then
    for _, key in ipairs({FAMILY, GATHERED}) do call('HLEN', key .. name) end
    call('LLEN', CHILDREN .. name)
  end
end
if call('EXISTS', unpack(keys)) > 0 then
  for _, key in ipairs(keys) do call('HLEN', key) end
end
call('SCARD', STATUS .. 'pending')
call('SCARD', STATUS .. 'waiting')
call('SCARD', QUEUES)

local ids = {}
for n, task in ipairs(tasks) do ids[n] = task.id end
look_for_stale(ids)
local buried = look_for_tombstones(tasks)
if buried then return {-4, buried} end

-- returns the status that a task begins with
local function make_family(task)
  if #task.needs == 0 then return 'pending' end
  local name, entries, counts = task.id .. '/0', {}, {completed = 0, failed = 0}
  for i, need in ipairs(task.needs) do
    local known = looks[need]
    entries[2 * i - 1], entries[2 * i] = need, known.result
    if known.result == '' then
      -- the one that is waited for learns who waits
      known.parents, known.awaited = known.parents and known.parents .. ' ' .. name or name, true
    else
      local kind = known.status == 'completed' and 'completed' or 'failed'
      counts[kind] = counts[kind] + 1
    end
  end
  local done = verdict(task.policy, 0, #task.needs, counts.completed, counts.failed)
  call('HSET', FAMILY .. name, 'total', #task.needs, 'policy', task.policy, 'need', 0, 'task', task.id, 'list', task.list,
    'data', '', 'completed', counts.completed, 'failed', counts.failed)
  if done then call('HSET', FAMILY .. name, 'done', done) end
  call('RPUSH', CHILDREN .. name, unpack(task.needs))
  call('HSET', GATHERED .. name, unpack(entries))
  return done and 'pending' or 'waiting'
end

-- what it waits for, and who waits for it: once, when all families are known
local function note_state(id, known)
  local task = known.task
  if not known.awaited and not (task and task.needs[1]) then return end
  local fields = {'status', known.status}
  if known.awaited then fields[3], fields[4] = 'parents', known.parents end
  if task and #task.needs > 0 then
    local n, name = #fields, id .. '/0'
    fields[n + 1], fields[n + 2], fields[n + 3], fields[n + 4] = 'list', task.list, 'families', name
    fields[n + 5], fields[n + 6] = 'waits', name
  end
  call('HSET', STATE .. id, unpack(fields))
  if known.awaited and known.run then add_flag(id, known.run, 'h') end
end

call('HINCRBY', COUNTERS, 'submitted', #tasks)
note_size()
forget_stale()
forget_tombstones()
local words, pending, waiting, ready = {}, {}, {}, {}
for n, task in ipairs(tasks) do
  words[2 * n - 1], words[2 * n] = TASK .. task.id, task.body
  local status = make_family(task)
  note_group(task.group)
  looks[task.id].task, looks[task.id].status = task, status
  if status == 'waiting' then waiting[#waiting + 1] = task.id else
    local entries = ready[task.list] or {}
    pending[#pending + 1], entries[#entries + 1], ready[task.list] = task.id, entry_of(task.id, task.list, task.group), entries
    weigh(task.id, task.list, #task.body)
  end
end
call('MSET', unpack(words))
for id, known in pairs(looks) do note_state(id, known) end
if #pending > 0 then call('SADD', STATUS .. 'pending', unpack(pending)) end
if #waiting > 0 then call('SADD', STATUS .. 'waiting', unpack(waiting)) end
for _, list in ipairs(lists) do
  local entries = ready[list]
  if entries then
    if #entries > 0 then call('RPUSH', QUEUE .. list, unpack(entries)) end
    ring(list)
  end
  local queue = string.match(list, '^(.*):')
  if queue then call('SADD', QUEUES, queue) end
end
for _, task in ipairs(tasks) do emit_submitted(task.id, looks[task.id].status, task.list) end
return {1, #tasks}
