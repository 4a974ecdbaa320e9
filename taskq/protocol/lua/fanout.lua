-- fanout: store a part of the children of a family, all or none, and put them into their lists
-- USES    family children gathered state counters running
-- INCLUDE intake running
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

local entries = {}
for i = first_rest, #ARGV, 3 do
  add_newcomer(ARGV[i], ARGV[i + 1], ARGV[i + 2])
  entries[#entries + 1], entries[#entries + 2] = ARGV[i], ''
end
local known = known_newcomer()
if known then return {-1, known} end
local full = check_room(max_length)
if full then return {-2, full} end
call('HLEN', GATHERED .. family)
call('HINCRBY', COUNTERS, 'submitted', count)
if not stored[1] then
  call('HSET', FAMILY .. family, 'total', total, 'policy', policy, 'need', need, 'task', owner,
    'list', run and run.list or '', 'data', data)
  if run then
    call('HSET', STATE .. owner, 'status', 'running', 'families', families and families .. ' ' .. family or family)
    add_flag(owner, run, 'h')
  end
end
for _, state in ipairs(newcomers.states) do call('HSET', state, 'status', 'pending', 'parents', family) end
call('RPUSH', CHILDREN .. family, unpack(newcomers.ids))
call('HSET', GATHERED .. family, unpack(entries))
if not run then
  for _, key in ipairs({FAMILY .. family, CHILDREN .. family, GATHERED .. family}) do
    call('PEXPIRE', key, ttl)
  end
end
let_in()
return {1, have + count}
