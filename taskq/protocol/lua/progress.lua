-- progress: note how far a running attempt has come, if its fence still holds
-- FLAGS   allow-oom
-- USES    state running
-- INCLUDE events running
-- ARGV    id fence progress
-- REPLY   1 noted, 0 the attempt is stale, -1 it is asked to stop
local run = read_record(call('HGET', RUNNING, id))
if not run or run.fence ~= fence then return 0 end
call('HSET', STATE .. id, 'status', 'running', 'progress', progress)
add_flag(id, run, 'h')
emit('task.progress', 'task_id', id)
return string.find(run.flags, 'c', 1, true) and -1 or 1
