-- discard: forget ended tasks before their time
-- FLAGS   allow-oom
-- USES    task state status result dead counters
-- ARGV    ids*
-- REPLY   number of tasks forgotten
local found = {}
for i = first_ids, #ARGV do
  local status = call('HGET', STATE .. ARGV[i], 'status')
  if status == 'failed' or status == 'cancelled' or call('SISMEMBER', STATUS .. 'completed', ARGV[i]) == 1 then
    found[#found + 1] = ARGV[i]
  end
end
call('ZCARD', DEAD)
for _, id in ipairs(found) do
  for _, status in ipairs({'completed', 'failed', 'cancelled'}) do call('SREM', STATUS .. status, id) end
  call('ZREM', DEAD, id)
  call('UNLINK', TASK .. id, STATE .. id, RESULT .. id)
end
if #found > 0 then call('HINCRBY', COUNTERS, 'expired', #found) end
return #found
