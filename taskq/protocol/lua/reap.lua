-- reap: bring back the tasks of workers whose lease has run out
-- FLAGS   allow-oom
-- USES    leases workers
-- INCLUDE leaseclock evict
-- ARGV    lease:number period:number limit:number max_crashes:number dead_ttl:number
-- REPLY   {requeued, dead, workers gone, 1 if there is more to do}
local virtual = tick(period)
-- no lease lies further ahead than one lease length, whatever the clock did
for _, worker in ipairs(call('ZRANGEBYSCORE', LEASES, '(' .. digits(virtual + lease), '+inf', 'LIMIT', 0, limit)) do
  call('ZADD', LEASES, virtual + lease, worker)
end
local requeued, died, gone, left = 0, 0, 0, limit
for _, worker in ipairs(call('ZRANGEBYSCORE', LEASES, '-inf', virtual, 'LIMIT', 0, 10)) do
  if left <= 0 then return {requeued, died, gone, 1} end
  local back, dead, finished = evict(worker, 1, left, max_crashes, dead_ttl)
  requeued, died, left = requeued + back, died + dead, left - back - dead
  if finished then gone = gone + 1 end
end
local rest = call('ZRANGEBYSCORE', LEASES, '-inf', virtual, 'LIMIT', 0, 1)
call('SCARD', WORKERS)
return {requeued, died, gone, #rest}
