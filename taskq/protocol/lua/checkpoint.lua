-- checkpoint: keep what a task wants to know when it goes on, if the fence of the attempt still holds
-- USES    checkpoint task state running
-- INCLUDE running
-- ARGV    id fence data ttl:number
-- REPLY   1 done, 0 the attempt is stale, -1 done and it is asked to stop, -2 no such task
-- Without a fence ('') it is not the word of an attempt. ttl is in ms; 0 deletes, -1 keeps it as long as the task. A running
-- task is given the flag that makes its completion delete the checkpoint, and so is one that keeps it; that of any other
-- ends with its TTL. No allow-oom flag: it may be large.
local run = read_record(call('HGET', RUNNING, id))
if fence ~= '' and (not run or run.fence ~= fence) then return 0 end
if call('EXISTS', TASK .. id) == 0 then return -2 end
if ttl ~= 0 then
  -- the keys of a task that has ended expire
  if ttl < 0 then ttl = call('PTTL', TASK .. id) end
  if run then
    call('HSET', STATE .. id, 'status', 'running')
    add_flag(id, run, 'h')
  elseif ttl < 0 and call('EXISTS', STATE .. id) == 0 then
    call('HSET', STATE .. id, 'status', 'pending')
  end
  if ttl < 0 then call('SET', CHECKPOINT .. id, data) else call('SET', CHECKPOINT .. id, data, 'PX', math.max(ttl, 1)) end
else
  call('DEL', CHECKPOINT .. id)
end
return run and string.find(run.flags, 'c', 1, true) and -1 or 1
