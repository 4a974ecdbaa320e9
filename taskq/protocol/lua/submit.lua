-- submit: store tasks and put them where they wait, all or none
-- USES    task state status queue counters queues unique dead scheduled events bell
-- INCLUDE read_clock bell schedule events
-- ARGV    max_length:number reused:number tasks:number rest*
-- REPLY   {code, per task}: code 1 and {1 new | 0 stored before | id that holds the unique key, ...};
--         code -1 and {index of each task whose id holds another body}; code -2 and {full list, its length}
-- rest is five words per task: id, body, list, due ms (0: now; '+ms': from now), unique key ('' for none). reused is 1
-- if an id may have been used before. No allow-oom flag: a full server refuses new work before anything is written, and
-- goes on draining.

-- one new task that may start now and that nobody listens for, written out before anything else is made, because nearly
-- every call is one
if tasks == 1 and reused == 0 and ARGV[first_rest + 3] == '0' and ARGV[first_rest + 4] == ''
  and call('PUBSUB', 'NUMSUB', EVENTS)[2] == 0 and call('PUBSUB', 'NUMPAT') == 0 then
  local id, list = ARGV[first_rest], ARGV[first_rest + 2]
  if call('EXISTS', TASK .. id) == 0 then
    local length, named = call('LLEN', QUEUE .. list), string.find(list, ':', 1, true)
    if max_length > 0 and length >= max_length then return {-2, {list, length}} end
    call('SCARD', STATUS .. 'pending')
    if named then call('SCARD', QUEUES) end
    -- the first write needs no check before it
    call('HINCRBY', COUNTERS, 'submitted', '1')
    if named then call('SADD', QUEUES, string.match(list, '^(.*):')) end
    call('SET', TASK .. id, ARGV[first_rest + 1])
    call('SADD', STATUS .. 'pending', id)
    call('RPUSH', QUEUE .. list, id)
    local hints = redis.pcall('LLEN', BELL .. list)
    if type(hints) == 'number' and hints < 8 then call('RPUSH', BELL .. list, '1') end
    return {1, {1}}
  end
end

-- FRAGMENTS
local CHUNK = 1000
local ENDED = {'completed', 'failed', 'cancelled'}

-- all reads
local keys, known = {}, 0
for i = 1, tasks do keys[i] = TASK .. ARGV[first_rest + (i - 1) * 5] end
for i = 1, tasks, CHUNK do known = known + call('EXISTS', unpack(keys, i, math.min(i + CHUNK - 1, tasks))) end

local codes, conflicts, fresh, ids, dues = {}, {}, {}, {}, {}
local delays, named = false, false
local bodies, holders, lists, wanted = {}, {}, {}, {}
for i = 1, tasks do
  local at = first_rest + (i - 1) * 5
  local id, body, list, unique = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 4]
  local stored = bodies[id] or known > 0 and call('GET', keys[i])
  local holder = unique ~= '' and (holders[unique] or call('GET', UNIQUE .. unique))
  if stored then
    codes[i] = 0
    if stored ~= body then conflicts[#conflicts + 1] = i end
  elseif holder then
    codes[i] = holder
  else
    codes[i] = 1
    fresh[#fresh + 1] = i
    ids[#ids + 1] = id
    bodies[id] = body
    if ARGV[at + 3] ~= '0' then
      if not now then read_clock() end
      local due = tonumber(ARGV[at + 3]) + (string.byte(ARGV[at + 3]) == 43 and now or 0)
      if due > now then
        delays = true
        dues[i] = due
      end
    end
    if unique ~= '' then holders[unique] = id end
    if unique ~= '' or dues[i] then call('HLEN', STATE .. id) end
    if not wanted[list] then
      lists[#lists + 1] = list
      if string.find(list, ':', 1, true) then named = true end
    end
    wanted[list] = (wanted[list] or 0) + 1
  end
end
if #conflicts > 0 then return {-1, conflicts} end
if #fresh == 0 then return {1, codes} end
for _, list in ipairs(lists) do
  local length = call('LLEN', QUEUE .. list)
  if max_length > 0 and length + wanted[list] > max_length then return {-2, {list, length}} end
end
call('SCARD', STATUS .. 'pending')
if named then call('SCARD', QUEUES) end
if delays then
  call('SCARD', STATUS .. 'scheduled')
  call('ZCARD', SCHEDULED)
end

-- An id of the user's own may come back when its keys have expired, but have not been swept yet.
local stale = {}
for _, status in ipairs(reused == 1 and ENDED or {}) do
  for i = 1, #ids, CHUNK do
    local flags = call('SMISMEMBER', STATUS .. status, unpack(ids, i, math.min(i + CHUNK - 1, #ids)))
    for n = 1, #flags do
      if flags[n] == 1 then stale[#stale + 1] = {status, ids[i + n - 1]} end
    end
  end
end
if #stale > 0 then call('ZCARD', DEAD) end
-- the first write needs no check before it
call('HINCRBY', COUNTERS, 'submitted', #fresh)
for _, entry in ipairs(stale) do
  call('SREM', STATUS .. entry[1], entry[2])
  call('ZREM', DEAD, entry[2])
  call('HINCRBY', COUNTERS, 'expired', 1)
end

local pushes, pending, writes = {}, {}, {}
for _, i in ipairs(fresh) do
  local at = first_rest + (i - 1) * 5
  local id, list, unique, due = ARGV[at], ARGV[at + 2], ARGV[at + 4], dues[i]
  local n = #writes
  writes[n + 1], writes[n + 2] = keys[i], ARGV[at + 1]
  if unique ~= '' then
    call('SET', UNIQUE .. unique, id)
    call('HSET', STATE .. id, 'unique', unique)
  end
  if due then
    call('HSET', STATE .. id, 'status', 'scheduled', 'list', list)
    call('SADD', STATUS .. 'scheduled', id)
    schedule(id, due, list)
  else
    local push = pushes[list] or {}
    pushes[list] = push
    push[#push + 1] = id
    pending[#pending + 1] = id
  end
  emit('task.submitted', 'task_id', id, 'status', due and 'scheduled' or 'pending', 'list', list)
end
for i = 1, #writes, CHUNK do call('MSET', unpack(writes, i, math.min(i + CHUNK - 1, #writes))) end
for i = 1, #pending, CHUNK do
  call('SADD', STATUS .. 'pending', unpack(pending, i, math.min(i + CHUNK - 1, #pending)))
end
for _, list in ipairs(lists) do
  local push = pushes[list]
  if push then
    for i = 1, #push, CHUNK do call('RPUSH', QUEUE .. list, unpack(push, i, math.min(i + CHUNK - 1, #push))) end
    ring(list)
  end
  local queue = named and string.match(list, '^(.*):')
  if queue then call('SADD', QUEUES, queue) end
end
return {1, codes}
