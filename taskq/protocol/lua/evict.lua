-- evict: take the tasks away from a worker that is known to have ended
-- FLAGS   allow-oom
-- INCLUDE evict
-- ARGV    worker charge:number limit:number max_crashes:number dead_ttl:number
-- REPLY   {requeued, dead, 1 if the worker is gone}
local held_tasks = held_by(worker, charge, limit, max_crashes, dead_ttl)
local requeued, died, gone = evict(held_tasks, charge, max_crashes, dead_ttl)
return {requeued, died, gone and 1 or 0}
