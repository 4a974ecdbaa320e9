-- submit: store tasks and put them where they wait, all or none
-- USES    task state status queue counters queues unique successor scheduled events bell large sequence bounds grouped
-- INCLUDE read_clock bell schedule events large join groups stale tombstones
-- BRANCH  policy bounds
-- ARGV    max_length:number reused:number groups:number others:number rest*
-- REPLY   {code, per task}: code 1 and {1 new | 0 stored before | id that holds the unique key, ...} (none: all are new);
--         code -1 and {index of each task whose id holds another body}; code -2 and {full list, its length};
--         code -3 and {ordering key, tasks of it}: they are as many as may be; code -4 and {index of a task, who holds its key}
--         code -5 and {queue, what its lists hold, most, what to do, ms to wait, tasks or bytes, how much comes}: its limit is
--         reached; code -6 and the id of a task whose tombstone is not found, see lib/tombstones
-- In rest stand first the tasks that may start now, in groups: list and size of the group, then id and body for each.
-- Then come the others, eight words each: id, body, list, due ms (0: now; '+ms': from now), unique key, ordering key, what
-- else is said of the unique key ('' for none; see lib/unique) and group key.
-- reused is 1 if an id may have been used before, or stands here twice. No allow-oom flag: a full server refuses new
-- work before anything is written, and goes on draining.
local MOST = 4000  -- words that one command is given
local PAGE = 4096  -- bytes from which on a body is noted as large, see lib/large

-- The short ways, written out before any fragment is made, because nearly every call takes one: new tasks that may start
-- now. Whatever is unusual breaks off before the first write. First one task alone:
repeat
  if others > 0 or reused == 1 or #ARGV - first_rest > MOST then break end
  if #ARGV - first_rest == 3 then
    local list, id = ARGV[first_rest], ARGV[first_rest + 2]
    local queue, bell, named = QUEUE .. list, BELL .. list, string.find(list, ':', 1, true)
    local length = max_length > 0 and call('LLEN', queue) or 0
    if max_length > 0 and length >= max_length then break end
    if #ARGV[first_rest + 3] > PAGE and call('EXISTS', LARGE) == 0 then break end
    -- on an idle system there is none of these, and LLEN need not be fetched
    local quiet = call('EXISTS', BOUNDS, GROUPED, bell) == 0
    if not quiet and call('EXISTS', BOUNDS, GROUPED) > 0 then
      if call('EXISTS', BOUNDS) == 1 then break end
      -- those of groups, too
      if max_length > 0 and length + (call('HGET', GROUPED, list) or 0) >= max_length then break end
    end
    if named then call('SCARD', QUEUES) end
    -- the first write needs no check before it
    if call('SADD', STATUS .. 'pending', id) == 0 then break end
    -- those behind it are undone, and it with them
    local pushed = redis.pcall('RPUSH', queue, id)
    local submitted = type(pushed) ~= 'number' and pushed or redis.pcall('HINCRBY', COUNTERS, 'submitted', '1')
    local stored = type(submitted) == 'number' and call('SET', TASK .. id, ARGV[first_rest + 3], 'NX')
    if not stored then
      call('SREM', STATUS .. 'pending', id)
      if type(pushed) == 'number' then call('RPOP', queue) end
      if type(submitted) ~= 'number' then return submitted end
      call('HINCRBY', COUNTERS, 'submitted', '-1')
      break
    end
    if named then call('SADD', QUEUES, string.match(list, '^(.*):')) end
    -- a key of the wrong type wakes nobody, but must not stop the transition halfway
    local hints = quiet and 0 or redis.pcall('LLEN', bell)
    if type(hints) == 'number' and hints < 8 then call('RPUSH', bell, '1') end
    if call('PUBSUB', 'NUMSUB', EVENTS)[2] > 0 or call('PUBSUB', 'NUMPAT') > 0 then
      -- COPY events
      emit_submitted(id, 'pending', list)
    end
    return {1, {}}
  end

  local words, ids, n, at, named = {}, {}, 0, first_rest, {}
  local full, large
  for _ = 1, groups do
    local list, size, length = ARGV[at], tonumber(ARGV[at + 1]), call('LLEN', QUEUE .. ARGV[at])
    if max_length > 0 and length + size > max_length then full = {list, length} end
    for i = at + 2, at + 2 * size, 2 do
      n = n + 1
      ids[n], words[2 * n - 1], words[2 * n] = ARGV[i], TASK .. ARGV[i], ARGV[i + 1]
      large = large or #ARGV[i + 1] > PAGE
    end
    if string.find(list, ':', 1, true) then named[#named + 1] = string.match(list, '^(.*):') end
    at = at + 2 + 2 * size
  end
  -- whoever submits again what is stored already is not turned away
  if full or (large and call('EXISTS', LARGE) == 0) then break end
  if call('EXISTS', BOUNDS, GROUPED) > 0 then
    if call('EXISTS', BOUNDS) == 1 then break end
    at = first_rest
    for _ = 1, max_length > 0 and groups or 0 do
      local behind = call('HGET', GROUPED, ARGV[at]) or 0
      full = full or call('LLEN', QUEUE .. ARGV[at]) + behind + ARGV[at + 1] > max_length
      at = at + 2 + 2 * ARGV[at + 1]
    end
    if full then break end
  end
  call('SCARD', STATUS .. 'pending')
  if named[1] then call('SCARD', QUEUES) end
  -- the first write needs no check before it
  call('HINCRBY', COUNTERS, 'submitted', n)
  if call('MSETNX', unpack(words)) == 0 then
    call('HINCRBY', COUNTERS, 'submitted', -n)
    break
  end
  call('SADD', STATUS .. 'pending', unpack(ids))
  if named[1] then call('SADD', QUEUES, unpack(named)) end
  at = first_rest
  n = 0
  for _ = 1, groups do
    local list, size = ARGV[at], tonumber(ARGV[at + 1])
    call('RPUSH', QUEUE .. list, unpack(ids, n + 1, n + size))
    -- a key of the wrong type wakes nobody, but must not stop the transition halfway
    local hints = redis.pcall('LLEN', BELL .. list)
    if type(hints) == 'number' and hints < 8 then call('RPUSH', BELL .. list, '1') end
    at, n = at + 2 + 2 * size, n + size
  end
  if call('PUBSUB', 'NUMSUB', EVENTS)[2] > 0 or call('PUBSUB', 'NUMPAT') > 0 then
    -- COPY events
    at, n = first_rest, 0
    for _ = 1, groups do
      for i = n + 1, n + ARGV[at + 1] do emit_submitted(ids[i], 'pending', ARGV[at]) end
      at, n = at + 2 + 2 * ARGV[at + 1], n + ARGV[at + 1]
    end
  end
  return {1, {}}
until true

-- FRAGMENTS
-- calls what with the words from first to last, as many at a time as one command is given
local function in_steps(words, what)
  for i = 1, #words, MOST do what(i, math.min(i + MOST - 1, #words)) end
end

local tasks, at = {}, first_rest
for _ = 1, groups do
  for i = at + 2, at + 2 * ARGV[at + 1], 2 do
    tasks[#tasks + 1] = {id = ARGV[i], body = ARGV[i + 1], list = ARGV[at], due = '0', unique = '', key = '', rules = ''}
  end
  at = at + 2 + 2 * ARGV[at + 1]
end
-- whoever takes the place of others takes it from those before it in this call, too: the last one for each key
local last_of, with_rules = {}, false
for i = at, at + (others - 1) * 8, 8 do
  local task = {id = ARGV[i], body = ARGV[i + 1], list = ARGV[i + 2], due = ARGV[i + 3], unique = ARGV[i + 4],
    key = ARGV[i + 5], rules = ARGV[i + 6], group = ARGV[i + 7] ~= '' and ARGV[i + 7] or nil}
  tasks[#tasks + 1] = task
  if task.rules ~= '' then
    with_rules = true
    if string.find(task.rules, '^replace') or string.find(task.rules, '^debounce') then last_of[task.unique] = task.id end
  end
end
local bounded = call('EXISTS', BOUNDS) == 1
local ruling, end_replaced, hold, look_for_room, shedding, passing, catch_up, put_on_scales
if with_rules or bounded then
  read_clock()
  -- COPY policy bounds
  ruling, end_replaced, hold = decide, end_victims, hold_key
  look_for_room, shedding, passing, catch_up, put_on_scales = check_bounds, make_room, pass_on, start_orphans, weigh
end

-- all reads
local keys, known = {}, 0
for i, task in ipairs(tasks) do keys[i] = TASK .. task.id end
in_steps(keys, function(from, to) known = known + call('EXISTS', unpack(keys, from, to)) end)

local codes, conflicts, fresh, ids = {}, {}, {}, {}
local delays, named, sequences = false, false, false
local bodies, holders, lists, wanted, sizes, members = {}, {}, {}, {}, {}, {}
for i, task in ipairs(tasks) do
  local id, list, unique = task.id, task.list, task.unique
  local stored = bodies[id] or known > 0 and call('GET', keys[i])
  local holder = unique ~= '' and (holders[unique] or last_of[unique] ~= id and last_of[unique] or call('GET', UNIQUE .. unique))
  local behind, duplicate = false, nil
  if task.rules ~= '' and not stored then
    task.due_ms = tonumber(task.due) + (string.byte(task.due) == 43 and now or 0)
    if holders[unique] then
      duplicate = string.find(task.rules, '^reject') and holder
    elseif holder ~= last_of[unique] then
      holder, behind, duplicate = ruling(task, holder)
    end
    if duplicate then return {-4, {i, duplicate}} end
  end
  if stored then
    codes[i] = 0
    if stored ~= task.body then conflicts[#conflicts + 1] = i end
  elseif holder then
    codes[i] = holder
  else
    codes[i] = 1
    fresh[#fresh + 1] = task
    ids[#ids + 1] = id
    bodies[id] = task.body
    check_size(task.body)
    if task.due ~= '0' or task.due_ms then
      if not now then read_clock() end
      task.due_ms = task.due_ms or tonumber(task.due) + (string.byte(task.due) == 43 and now or 0)
      task.later = task.due_ms > now
    end
    if unique ~= '' then holders[unique] = id end
    if behind then task.succeeds, task.behind, task.later, sequences = behind, true, false, true end
    if unique ~= '' or task.later or task.key ~= '' then call('HLEN', STATE .. id) end
    if task.group then check_line(list, task.group) end
    if task.key ~= '' then
      local before = members[task.key] or call('ZCARD', SEQUENCE .. task.key)
      if max_length > 0 and before >= max_length then return {-3, {task.key, before}} end
      members[task.key], task.behind = before + 1, before > 0
      if task.behind then task.later, sequences = false, true end
    end
    delays = delays or task.later
    if not wanted[list] then
      lists[#lists + 1] = list
      if string.find(list, ':', 1, true) then named = true end
    end
    wanted[list] = (wanted[list] or 0) + (task.behind and 0 or 1)
    sizes[list] = (sizes[list] or 0) + (task.behind and 0 or #task.body)
  end
end
if #conflicts > 0 then return {-1, conflicts} end
if #fresh == 0 then return {1, codes} end
for _, list in ipairs(lists) do
  local length = waiting_in(list)
  if max_length > 0 and length + wanted[list] > max_length then return {-2, {list, length}} end
end
local over = bounded and look_for_room(wanted, sizes)
if over then return {-5, over} end
call('SCARD', STATUS .. 'pending')
if named then call('SCARD', QUEUES) end
if sequences then call('SCARD', STATUS .. 'waiting') end
if delays then
  call('SCARD', STATUS .. 'scheduled')
  call('ZCARD', SCHEDULED)
end
if reused == 1 then
  look_for_stale(ids)
  local buried = look_for_tombstones(fresh)
  if buried then return {-6, buried} end
end
-- the first write needs no check before it
call('HINCRBY', COUNTERS, 'submitted', #fresh)
if with_rules then end_replaced() end
if bounded then shedding() end
note_size()
forget_stale()
forget_tombstones()

local pushes, pending, writes = {}, {}, {}
for _, task in ipairs(fresh) do
  local id, list, n = task.id, task.list, #writes
  note_group(task.group)
  writes[n + 1], writes[n + 2] = TASK .. id, task.body
  if task.succeeds then
    call('SET', SUCCESSOR .. task.unique, id)
    call('HSET', STATE .. id, 'status', 'waiting', 'waits', '@unique', 'list', list, 'rules', task.rules, 'succeeds',
      task.unique, 'behind', task.succeeds)
  elseif task.rules ~= '' then
    hold(id, task.unique, task.rules)
    call('HSET', STATE .. id, 'status', 'pending', 'list', list, 'rules', task.rules)
  elseif task.unique ~= '' then
    call('SET', UNIQUE .. task.unique, id)
    call('HSET', STATE .. id, 'unique', task.unique)
  end
  if task.key ~= '' then join_sequence(id, task.key) end
  if task.behind then
    if not task.succeeds then wait_in_sequence(id, task.key, list) end
    if task.due_ms and task.due_ms > now then call('HSET', STATE .. id, 'due', string.format('%d', task.due_ms)) end
    call('SADD', STATUS .. 'waiting', id)
  elseif task.later then
    call('HSET', STATE .. id, 'status', 'scheduled', 'list', list)
    call('SADD', STATUS .. 'scheduled', id)
    schedule(id, task.due_ms, list)
  else
    local push = pushes[list] or {}
    pushes[list] = push
    push[#push + 1] = entry_of(id, list, task.group)
    pending[#pending + 1] = id
    if bounded then put_on_scales(id, list, #task.body) end
  end
  if task.key ~= '' and not task.behind then
    call('HSET', STATE .. id, 'sequence', task.key, 'list', list, 'status', task.later and 'scheduled' or 'pending')
  end
  emit_submitted(id, task.behind and 'waiting' or task.later and 'scheduled' or 'pending', list)
end
in_steps(writes, function(from, to) call('MSET', unpack(writes, from, to)) end)
in_steps(pending, function(from, to) call('SADD', STATUS .. 'pending', unpack(pending, from, to)) end)
for _, list in ipairs(lists) do
  local push = pushes[list]
  if push then
    in_steps(push, function(from, to) call('RPUSH', QUEUE .. list, unpack(push, from, to)) end)
    ring(list)
  end
  local queue = named and string.match(list, '^(.*):')
  if queue then call('SADD', QUEUES, queue) end
end
if catch_up then catch_up(fresh) end
if bounded then passing() end
return {1, codes}
