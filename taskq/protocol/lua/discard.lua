-- discard: forget ended tasks before their time
-- FLAGS   allow-oom
-- USES    task state status result dead counters checkpoint signals sagas
-- INCLUDE families
-- ARGV    ids*
-- REPLY   number of tasks forgotten
local ENDED = {'completed', 'failed', 'cancelled'}
local found = {}
for i = first_ids, #ARGV do
  local state = call('HMGET', STATE .. ARGV[i], 'status', 'families')
  if state[1] == 'failed' or state[1] == 'cancelled' or call('SISMEMBER', STATUS .. 'completed', ARGV[i]) == 1 then
    found[#found + 1] = {ARGV[i], state[2]}
  end
end
for _, status in ipairs(ENDED) do call('SCARD', STATUS .. status) end
call('ZCARD', DEAD)
call('ZCARD', SAGAS)
call('HLEN', COUNTERS)
local forgotten = 0
for _, entry in ipairs(found) do
  local id = entry[1]
  for _, status in ipairs(ENDED) do forgotten = forgotten + call('SREM', STATUS .. status, id) end
  call('ZREM', DEAD, id)
  call('ZREM', SAGAS, id)
  call('UNLINK', TASK .. id, STATE .. id, RESULT .. id, CHECKPOINT .. id, SIGNALS .. id)
  expire_families(entry[2], 0)
end
if forgotten > 0 then call('HINCRBY', COUNTERS, 'expired', forgotten) end
return forgotten
