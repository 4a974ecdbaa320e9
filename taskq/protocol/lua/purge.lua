-- purge: delete the tasks that wait in one list, from its head, in bounded steps
-- FLAGS   allow-oom
-- USES    queue task state status tombstones counters unique checkpoint signals sagas
-- INCLUDE clock events family sequence
-- ARGV    list limit:number
-- REPLY   {tasks deleted, 1 if the list is not empty yet}
local ids, ties = call('LRANGE', QUEUE .. list, 0, limit - 1), {}
call('SCARD', STATUS .. 'pending')
call('SCARD', TOMBSTONES)
call('HLEN', COUNTERS)
call('ZCARD', SAGAS)
for i, id in ipairs(ids) do
  ties[i] = call('HMGET', STATE .. id, 'unique', 'parents', 'families', 'sequence')
  if ties[i][1] then call('GET', UNIQUE .. ties[i][1]) end
  check_parents(ties[i][2])
  check_sequence(ties[i][4])
end
local purged = 0
for i, id in ipairs(ids) do
  call('LPOP', QUEUE .. list)
  -- neither a tombstone nor an id that has no business in this list: what is running keeps its body
  if call('SREM', TOMBSTONES, id) == 0 and call('SREM', STATUS .. 'pending', id) == 1 then
    purged = purged + 1
    local unique = ties[i][1]
    if unique and call('GET', UNIQUE .. unique) == id then call('DEL', UNIQUE .. unique) end
    count_down(id, ties[i][2], 'purged', gone_json(id, 'purged before it started'))
    expire_families(ties[i][3], 3600000)
    call('UNLINK', TASK .. id, STATE .. id, CHECKPOINT .. id, SIGNALS .. id)
    call('ZREM', SAGAS, id)
    emit('task.purged', 'task_id', id, 'list', list)
    leave_sequence(id, ties[i][4])
  end
end
if purged > 0 then call('HINCRBY', COUNTERS, 'purged', purged) end
return {purged, call('EXISTS', QUEUE .. list)}
