-- sla: say how long the tasks of a list may wait, or that they may wait for ever
-- FLAGS   allow-oom
-- USES    sla breaches
-- ARGV    list wanted most:number
-- REPLY   1; 0 if there are as many thresholds as may be, or none was there to be taken away
-- wanted is '<ms> <ms>', for its oldest task and for a start, 0 for any; '' takes the thresholds of the list away.
call('HLEN', SLA)
if wanted == '' then
  call('HDEL', BREACHES, list .. ' age', list .. ' start')
  return call('HDEL', SLA, list)
end
if call('HLEN', SLA) >= most and call('HEXISTS', SLA, list) == 0 then return 0 end
call('HSET', SLA, list, wanted)
return 1
