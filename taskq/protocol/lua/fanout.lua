-- fanout: store a part of the children of a family, all or none, and put them into their lists
-- USES    family children gathered task state status queue queues counters running
-- INCLUDE bell events running large
-- ARGV    family owner fence total:number policy need:number ttl:number base:number max_length:number data rest*
-- REPLY   {code, detail}: 1 stored, now or before, and the number of children so far; 0 the attempt is stale; -1 and an id
--         that is known already; -2 and {full list, its length}; -3 the family has another size, and which
-- rest is id, body and list of each child; base is how many there are before them. owner is the task that will wait, with
-- the fence of its attempt; without one ('') the family ends with its TTL (ms). No allow-oom flag: it adds tasks.
local count, run, families = (#ARGV - first_rest + 1) / 3, nil, nil
if owner ~= '' then
  run = read_record(call('HGET', RUNNING, owner))
  if not run or run.fence ~= fence then return {0, 0} end
  families = call('HGET', STATE .. owner, 'families')
end
local have = call('LLEN', CHILDREN .. family)
local stored = call('HMGET', FAMILY .. family, 'total', 'done')
if stored[1] and tonumber(stored[1]) ~= total then return {-3, stored[1]} end
-- a part comes whole or not at all, and one after the other
if stored[2] or have ~= base then return {1, have} end

local ids, bodies, entries, words, states, pushes, lists = {}, {}, {}, {}, {}, {}, {}
for i = first_rest, #ARGV, 3 do
  local id, list, n = ARGV[i], ARGV[i + 2], #ids + 1
  ids[n], bodies[2 * n - 1], bodies[2 * n] = id, TASK .. id, ARGV[i + 1]
  check_size(ARGV[i + 1])
  entries[2 * n - 1], entries[2 * n] = id, ''
  words[n], states[n] = TASK .. id, STATE .. id
  if not pushes[list] then
    pushes[list] = {}
    lists[#lists + 1] = list
  end
  local push = pushes[list]
  push[#push + 1] = id
end
if call('EXISTS', unpack(words)) > 0 then
  for _, id in ipairs(ids) do
    if call('STRLEN', TASK .. id) > 0 then return {-1, id} end
  end
end
for _, list in ipairs(lists) do
  local length = call('LLEN', QUEUE .. list)
  if max_length > 0 and length + #pushes[list] > max_length then return {-2, {list, length}} end
end
if call('EXISTS', unpack(states)) > 0 then
  for _, state in ipairs(states) do call('HLEN', state) end
end
call('HLEN', GATHERED .. family)
call('SCARD', STATUS .. 'pending')
call('SCARD', QUEUES)
call('HINCRBY', COUNTERS, 'submitted', count)
note_size()
if not stored[1] then
  call('HSET', FAMILY .. family, 'total', total, 'policy', policy, 'need', need, 'task', owner,
    'list', run and run.list or '', 'data', data)
  if run then
    call('HSET', STATE .. owner, 'status', 'running', 'families', families and families .. ' ' .. family or family)
    add_flag(owner, run, 'h')
  end
end
call('MSET', unpack(bodies))
for _, state in ipairs(states) do call('HSET', state, 'status', 'pending', 'parents', family) end
call('RPUSH', CHILDREN .. family, unpack(ids))
call('HSET', GATHERED .. family, unpack(entries))
if not run then
  for _, key in ipairs({FAMILY .. family, CHILDREN .. family, GATHERED .. family}) do
    call('PEXPIRE', key, ttl)
  end
end
call('SADD', STATUS .. 'pending', unpack(ids))
for _, list in ipairs(lists) do
  call('RPUSH', QUEUE .. list, unpack(pushes[list]))
  local queue = string.match(list, '^(.*):')
  if queue then call('SADD', QUEUES, queue) end
  ring(list)
  for _, id in ipairs(listening and pushes[list] or {}) do
    emit_submitted(id, 'pending', list)
  end
end
return {1, have + count}
