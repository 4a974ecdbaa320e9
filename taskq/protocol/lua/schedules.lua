-- schedules: add, replace or remove one recurring definition; list them all
-- FLAGS   allow-oom
-- USES    schedules slots
-- INCLUDE bell
-- ARGV    verb name definition
-- REPLY   add: 1; remove: 1 or 0; list: {now ms, {name, definition, ...}, {name, last slot ms, ...}}
local clock = call('TIME')
if verb == 'list' then
  return {clock[1] * 1000 + math.floor(clock[2] / 1000), call('HGETALL', SCHEDULES), call('HGETALL', SLOTS)}
end
call('HLEN', SLOTS)
call('HLEN', SCHEDULES)
if verb == 'remove' then
  call('HDEL', SLOTS, name)
  return call('HDEL', SCHEDULES, name)
end
if call('HGET', SCHEDULES, name) ~= definition then
  call('HSET', SCHEDULES, name, definition)
  call('HDEL', SLOTS, name)
  ring('@scheduler')
end
return 1
