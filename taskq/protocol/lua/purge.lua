-- purge: delete the tasks that wait in one list, from its head, in bounded steps
-- FLAGS   allow-oom
-- USES    queue status tombstones counters sagas
-- INCLUDE purge weights
-- ARGV    list limit:number
-- REPLY   {tasks deleted, 1 if the list is not empty yet}
local ids, ties = call('LRANGE', QUEUE .. list, 0, limit - 1), {}
call('SCARD', STATUS .. 'pending')
call('SCARD', TOMBSTONES)
call('HLEN', COUNTERS)
call('ZCARD', SAGAS)
for i, id in ipairs(ids) do ties[i] = check_purge(id) end
local purged = 0
for i, id in ipairs(ids) do
  call('LPOP', QUEUE .. list)
  -- neither a tombstone nor an id that has no business in this list: what is running keeps its body
  if call('SREM', TOMBSTONES, id) == 0 and call('SREM', STATUS .. 'pending', id) == 1 then
    purged = purged + 1
    unweigh({id})
    forget(id, ties[i], list)
  end
end
if purged > 0 then call('HINCRBY', COUNTERS, 'purged', purged) end
return {purged, call('EXISTS', QUEUE .. list)}
