-- purge_waiting: delete the tasks of some lists that wait for room, for their turn or for a unique key, in bounded steps
-- FLAGS   allow-oom
-- USES    state status counters sagas blocked jams woken
-- INCLUDE purge blocked
-- ARGV    cursor limit:number lists*
-- REPLY   {tasks deleted, next cursor, '0' at the end}
-- Those that wait for their children or a signal have begun, and stay. What is there from the first step to the last is found.
local page, wanted, found, ids = call('SSCAN', STATUS .. 'waiting', cursor, 'COUNT', limit), {}, {}, {}
for i = first_lists, #ARGV do wanted[ARGV[i]] = true end
call('HLEN', COUNTERS)
call('ZCARD', SAGAS)
call('ZCARD', JAMS)
call('HLEN', WOKEN)
for _, id in ipairs(page[2]) do
  local state = call('HMGET', STATE .. id, 'list', 'waits', 'blocked')
  if wanted[state[1]] and string.byte(state[2] or '') == 64 and not found[id] then
    if state[3] then call('ZCARD', BLOCKED .. state[3]) end
    found[id], ids[#ids + 1] = {ties = check_purge(id), list = state[1], blocked = state[3]}, id
  end
end
local purged = 0
for _, id in ipairs(ids) do
  -- one that was not the first of its sequence may have become it by now, and stands in its list
  if call('SREM', STATUS .. 'waiting', id) == 1 then
    purged = purged + 1
    leave_blocked(id, found[id].blocked)
    forget(id, found[id].ties, found[id].list)
  end
end
if purged > 0 then call('HINCRBY', COUNTERS, 'purged', purged) end
return {purged, page[1]}
