-- pause: stop or resume claims from lists
-- FLAGS   allow-oom
-- USES    paused queue
-- INCLUDE bell
-- ARGV    paused lists*
-- REPLY   number of lists whose state changed
local changed = 0
for i = first_lists, #ARGV do call('LLEN', QUEUE .. ARGV[i]) end
for i = first_lists, #ARGV do
  if paused == '1' then
    changed = changed + call('SADD', PAUSED, ARGV[i])
  else
    local resumed = call('SREM', PAUSED, ARGV[i])
    if resumed == 1 and call('LLEN', QUEUE .. ARGV[i]) > 0 then ring(ARGV[i]) end
    changed = changed + resumed
  end
end
return changed
