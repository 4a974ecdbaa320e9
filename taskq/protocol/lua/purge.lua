-- purge: delete the tasks that wait in one list, from its head, in bounded steps
-- FLAGS   allow-oom
-- USES    queue task state status tombstones counters unique
-- INCLUDE clock events
-- ARGV    list limit:number
-- REPLY   {tasks deleted, 1 if the list is not empty yet}
local ids, uniques = call('LRANGE', QUEUE .. list, 0, limit - 1), {}
call('SCARD', STATUS .. 'pending')
call('SCARD', TOMBSTONES)
for i, id in ipairs(ids) do uniques[i] = call('HGET', STATE .. id, 'unique') end
local purged = 0
for i, id in ipairs(ids) do
  call('LPOP', QUEUE .. list)
  if call('SREM', TOMBSTONES, id) == 0 then
    purged = purged + call('SREM', STATUS .. 'pending', id)
    if uniques[i] and call('GET', UNIQUE .. uniques[i]) == id then call('DEL', UNIQUE .. uniques[i]) end
    call('UNLINK', TASK .. id, STATE .. id)
    emit('task.purged', 'task_id', id, 'list', list)
  end
end
if purged > 0 then call('HINCRBY', COUNTERS, 'purged', purged) end
return {purged, call('EXISTS', QUEUE .. list)}
