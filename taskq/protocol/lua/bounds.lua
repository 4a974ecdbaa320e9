-- bounds: set, remove and list the limits of queues, or begin anew to weigh what waits
-- FLAGS   allow-oom
-- USES    bounds crowd bytes weights
-- INCLUDE bounded bell
-- ARGV    verb queue wanted
-- REPLY   set: 2 if what waits is to be weighed from now on, 1 if something else has changed, 0; remove: 1 if something has
--         changed; recount: 1 if there is something to be weighed; list: {queue, limit, tasks in its lists, their bytes or '',
--         1 if a submit has waited for room there in the last ten seconds, ...}
if verb == 'list' then
  local found, words = call('HGETALL', BOUNDS), {}
  for i = 1, #found, 2 do add_bound(words, found[i], found[i + 1]) end
  return words
end
local changed
call('HLEN', BYTES)
if verb == 'set' then
  changed = call('HGET', BOUNDS, queue) ~= wanted and 1 or 0
  call('HSET', BOUNDS, queue, wanted)
else
  -- of a recount the queue has no name
  changed = call('HDEL', BOUNDS, queue)
end
local by_bytes = false
for _, text in ipairs(call('HGETALL', BOUNDS)) do
  if string.find(text, '^%d+ %S+ %d+ %d+ %d+$') then by_bytes = true end
end
if not by_bytes or verb == 'recount' then call('UNLINK', BYTES, WEIGHTS) end
if by_bytes then call('HSET', BYTES, '@', '1') end
if verb == 'recount' then return by_bytes and 1 or 0 end
if changed == 1 and call('EXISTS', CROWD) == 1 then ring('@room:' .. queue) end
return by_bytes and verb == 'set' and 2 or changed
