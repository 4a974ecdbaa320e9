-- pause: stop or resume claims from lists
-- FLAGS   allow-oom
-- USES    paused queue queues
-- INCLUDE bell
-- ARGV    paused lists*
-- REPLY   number of lists whose state changed
-- '*' stands for all lists, also those of queues that begin later; lists that are paused by themselves stay so when it is
-- resumed. Then the bells of 1,000 queues at most are rung, workers of others look within seconds.
local changed, everything = 0, {}
for i = first_lists, #ARGV do
  if ARGV[i] ~= '*' then
    call('LLEN', QUEUE .. ARGV[i])
  elseif paused == '0' then
    local queues = call('SMEMBERS', QUEUES)
    for n = 0, math.min(#queues, 1000) do
      for _, label in ipairs({'urgent', 'high', 'normal', 'low'}) do
        everything[#everything + 1] = queues[n] and queues[n] .. ':' .. label or label
      end
    end
  end
end
for i = first_lists, #ARGV do
  if paused == '1' then
    changed = changed + call('SADD', PAUSED, ARGV[i])
  else
    local resumed = call('SREM', PAUSED, ARGV[i])
    if resumed == 1 and ARGV[i] == '*' then
      for _, list in ipairs(everything) do
        if call('EXISTS', QUEUE .. list) == 1 then ring(list) end
      end
    elseif resumed == 1 and call('LLEN', QUEUE .. ARGV[i]) > 0 then
      ring(ARGV[i])
    end
    changed = changed + resumed
  end
end
return changed
