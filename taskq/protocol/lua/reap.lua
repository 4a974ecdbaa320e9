-- reap: bring back the tasks of workers whose lease has run out
-- FLAGS   allow-oom
-- USES    leases
-- INCLUDE leaseclock evict
-- ARGV    lease:number period:number limit:number max_crashes:number dead_ttl:number
-- REPLY   {requeued, dead, workers gone, 1 if there is more to do}
local virtual, left, dead_workers = lease_now(period), limit, {}
for _, worker in ipairs(call('ZRANGEBYSCORE', LEASES, '-inf', virtual, 'LIMIT', 0, 10)) do
  if left > 0 then
    local held_tasks = held_by(worker, 1, left, max_crashes, dead_ttl)
    dead_workers[#dead_workers + 1] = held_tasks
    left = left - #held_tasks.ids
  end
end

tick(period)
-- no lease lies further ahead than one lease length, whatever the clock did
for _, worker in ipairs(call('ZRANGEBYSCORE', LEASES, '(' .. digits(virtual + lease), '+inf', 'LIMIT', 0, limit)) do
  call('ZADD', LEASES, virtual + lease, worker)
end
local requeued, died, gone = 0, 0, 0
for _, held_tasks in ipairs(dead_workers) do
  local back, dead, finished = evict(held_tasks, 1, max_crashes, dead_ttl)
  requeued, died = requeued + back, died + dead
  if finished then gone = gone + 1 end
end
local rest = call('ZRANGEBYSCORE', LEASES, '-inf', virtual, 'LIMIT', 0, 1)
return {requeued, died, gone, #rest}
