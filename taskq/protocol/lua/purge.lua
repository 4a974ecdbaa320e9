-- purge: delete the tasks that wait in one list, from its head, in bounded steps
-- FLAGS   allow-oom
-- USES    queue status tombstones counters sagas grouped crowd
-- INCLUDE purge groups weights bell
-- ARGV    list limit:number
-- REPLY   {tasks deleted, 1 if the list is not empty yet}
-- Of a group all go, before the next entry of the list.
local entries, ids, ties, left = call('LRANGE', QUEUE .. list, 0, limit - 1), {}, {}, limit
call('SCARD', STATUS .. 'pending')
call('SCARD', TOMBSTONES)
call('HLEN', COUNTERS)
call('HLEN', GROUPED)
call('ZCARD', SAGAS)
for i, entry in ipairs(entries) do
  local group = string.match(entry, '^@(.*)')
  ids[i] = left > 0 and (group and call('LRANGE', group_key(list, group), 0, left - 1) or {entry}) or {}
  left = left - #ids[i]
  for _, id in ipairs(ids[i]) do ties[id] = check_purge(id) end
end
local function take_out(entry, count)
  local group = string.match(entry, '^@(.*)')
  local key = group and group_key(list, group)
  if group then call('LTRIM', key, count, -1) end
  if group and call('EXISTS', key) == 1 then
    call('HINCRBY', GROUPED, list, -count)
  else
    call('LPOP', QUEUE .. list)
    if count > 1 then call('HINCRBY', GROUPED, list, 1 - count) end
  end
end

-- all of them before the first is forgotten: that may put a parent at the head
for i, entry in ipairs(entries) do
  if #ids[i] > 0 or left > 0 then take_out(entry, #ids[i]) end
end
local purged = 0
for i = 1, #entries do
  for _, id in ipairs(ids[i]) do
    -- neither a tombstone nor an id that has no business in this list: what is running keeps its body
    if call('SREM', TOMBSTONES, id) == 0 and call('SREM', STATUS .. 'pending', id) == 1 then
      purged = purged + 1
      unweigh({id})
      forget(id, ties[id], list)
    end
  end
end
if purged > 0 then call('HINCRBY', COUNTERS, 'purged', purged) end
if #entries > 0 and call('EXISTS', CROWD) == 1 then ring('@room:' .. (string.match(list, '^(.*):') or 'default')) end
return {purged, call('EXISTS', QUEUE .. list)}
