-- submit: store tasks and put them where they wait, all or none
-- USES    task state status queue counters queues unique
-- INCLUDE clock bell schedule events
-- ARGV    max_length:number tasks:number rest*
-- REPLY   {code, per task}: code 1 and {1 new | 0 stored before | id that holds the unique key, ...};
--         code -1 and {index of each task whose id holds another body}; code -2 and {full list, its length}
-- rest is five words per task: id, body, list, due ms (0: now; '+ms': from now), unique key ('' for none). No allow-oom flag: a full
-- server refuses new work before anything is written, and goes on draining.
local keys, lists, wanted = {}, {}, {}
for i = 1, tasks do
  local at = first_rest + (i - 1) * 5
  keys[i] = TASK .. ARGV[at]
  local list = ARGV[at + 2]
  if not wanted[list] then lists[#lists + 1] = list end
  wanted[list] = (wanted[list] or 0) + 1
end

-- all reads
local CHUNK = 1000
local known = 0
for i = 1, tasks, CHUNK do known = known + call('EXISTS', unpack(keys, i, math.min(i + CHUNK - 1, tasks))) end
local codes, conflicts, fresh = {}, {}, {}
for i = 1, tasks do
  local at = first_rest + (i - 1) * 5
  local stored = known > 0 and call('GET', keys[i])
  local unique = ARGV[at + 4]
  local holder = unique ~= '' and call('GET', UNIQUE .. unique)
  if stored then
    codes[i] = 0
    if stored ~= ARGV[at + 1] then conflicts[#conflicts + 1] = i end
  elseif holder then
    codes[i] = holder
  else
    codes[i] = 1
    fresh[#fresh + 1] = i
  end
end
if #conflicts > 0 then return {-1, conflicts} end
for _, list in ipairs(lists) do
  local length = call('LLEN', QUEUE .. list)
  if max_length > 0 and #fresh > 0 and length + wanted[list] > max_length then return {-2, {list, length}} end
end
call('SCARD', STATUS .. 'pending')
call('SCARD', STATUS .. 'scheduled')
call('HLEN', COUNTERS)
call('SCARD', QUEUES)
call('ZCARD', SCHEDULED)

local pushes, ids, seen = {}, {}, {}
for _, i in ipairs(fresh) do
  local at = first_rest + (i - 1) * 5
  local id, body, list, unique = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 4]
  local due = tonumber(ARGV[at + 3]) + (string.byte(ARGV[at + 3]) == 43 and now or 0)
  local holder = unique ~= '' and call('GET', UNIQUE .. unique)
  if seen[id] then
    codes[i] = 0
  elseif holder then
    codes[i] = holder
  else
    seen[id] = true
    call('SET', TASK .. id, body)
    if unique ~= '' then
      call('SET', UNIQUE .. unique, id)
      call('HSET', STATE .. id, 'unique', unique)
    end
    if due > now then
      call('HSET', STATE .. id, 'status', 'scheduled', 'list', list)
      call('SADD', STATUS .. 'scheduled', id)
      schedule(id, due, list)
    else
      local push = pushes[list] or {}
      pushes[list] = push
      push[#push + 1] = id
      ids[#ids + 1] = id
    end
    emit('task.submitted', 'task_id', id, 'status', due > now and 'scheduled' or 'pending', 'list', list)
  end
end
for i = 1, #ids, CHUNK do call('SADD', STATUS .. 'pending', unpack(ids, i, math.min(i + CHUNK - 1, #ids))) end
for _, list in ipairs(lists) do
  local push = pushes[list]
  if push then
    for i = 1, #push, CHUNK do call('RPUSH', QUEUE .. list, unpack(push, i, math.min(i + CHUNK - 1, #push))) end
    ring(list)
  end
  local queue = string.match(list, '^(.*):')
  if queue then call('SADD', QUEUES, queue) end
end
if #fresh > 0 then call('HINCRBY', COUNTERS, 'submitted', #fresh) end
return {1, codes}
