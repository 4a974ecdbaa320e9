-- await: fetch a result, or leave word where to send it
-- USES    task result waiters awaited
-- FLAGS   allow-oom
-- ARGV    id reply_list ttl:number
-- REPLY   {code, result}: 1 here it is, 0 it will be pushed to the reply list, -1 no such task
local result = call('GET', RESULT .. id)
if result then return {1, result} end
if call('EXISTS', TASK .. id) == 0 then return {-1} end
call('SADD', WAITERS .. id, reply_list)
if call('PTTL', WAITERS .. id) < ttl then call('PEXPIRE', WAITERS .. id, ttl) end
if call('PTTL', AWAITED) < ttl then call('SET', AWAITED, '1', 'PX', ttl) end
return {0}
