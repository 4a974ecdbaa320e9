-- progress: note how far a running attempt has come, if its fence still holds
-- FLAGS   allow-oom
-- USES    state
-- INCLUDE events
-- ARGV    id fence progress
-- REPLY   1 noted, 0 the attempt is stale, -1 it is asked to stop
local state = call('HMGET', STATE .. id, 'fence', 'cancel')
if state[1] ~= fence then return 0 end
call('HSET', STATE .. id, 'progress', progress)
emit('task.progress', 'task_id', id)
return state[2] and -1 or 1
