-- cancel: end a task that waits, ask one that runs to stop
-- FLAGS   allow-oom
-- USES    task state status scheduled tombstones worker running jams woken queue
-- INCLUDE terminate events running blocked crowded
-- ARGV    id result ttl:number
-- REPLY   what was found: cancelled, requested (it is running), missing, or the terminal status it has
-- result is the JSON that a pending task leaves. A list entry stays behind as a tombstone, which the claim skips; but if
-- somebody waits for room in a queue it is looked for near the ends of its lists, and taken out.
local state, run = call('HMGET', STATE .. id, 'status', 'unique', 'blocked'), read_record(call('HGET', RUNNING, id))
local status = state[1]
if call('EXISTS', TASK .. id) == 0 then return 'missing' end
if run then
  local card = WORKER .. run.worker
  local asked = call('HGET', card, 'cancels') or ''
  add_flag(id, run, 'c')
  if call('EXISTS', card) == 1 and not string.find(' ' .. asked .. ' ', ' ' .. id .. ' ', 1, true) then
    call('HSET', card, 'cancels', asked .. ' ' .. id)
  end
  emit('task.cancel_requested', 'task_id', id, 'status', 'running', 'worker_id', run.worker)
  return 'requested'
end
if not status then status = call('SISMEMBER', STATUS .. 'pending', id) == 1 and 'pending' or 'completed' end
if status == 'completed' or status == 'failed' or status == 'cancelled' then return status end
call('ZCARD', SCHEDULED)
call('SCARD', STATUS .. status)
if state[3] then
  call('ZCARD', JAMS)
  call('HLEN', WOKEN)
end
check_end(id, 'cancelled', state[2], ttl)
local crowd = status == 'pending' and crowded_queues() or {}
local list, rank = find_entry(crowd, id)
leave_blocked(id, state[3])
if list then
  call('LREM', QUEUE .. list, rank, id)
elseif status == 'pending' then
  call('SADD', TOMBSTONES, id)
else
  call('ZREM', SCHEDULED, id)
end
terminate(id, 'cancelled', status, result, ttl)
ring_for_room(crowd)
return 'cancelled'
