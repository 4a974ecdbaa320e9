-- bounds: set, remove and list the limits of queues
-- FLAGS   allow-oom
-- USES    bounds crowd
-- INCLUDE bell
-- ARGV    verb queue wanted
-- REPLY   set and remove: 1 if something has changed; list: {queue, limit, ...}
if verb == 'list' then return call('HGETALL', BOUNDS) end
local changed
if verb == 'set' then
  changed = call('HGET', BOUNDS, queue) ~= wanted and 1 or 0
  call('HSET', BOUNDS, queue, wanted)
else
  changed = call('HDEL', BOUNDS, queue)
end
if changed == 1 and call('EXISTS', CROWD) == 1 then ring('@room:' .. queue) end
return changed
