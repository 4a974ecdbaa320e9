-- ages: since when the first task of some lists has waited
-- FLAGS   no-writes
-- USES    queue task state group
-- INCLUDE clock
-- ARGV    lists*
-- REPLY   {now ms, per list {beginning of the envelope, ms at which it came from the schedule or ''}, or {} if it is empty}
local heads = {now}
for i = first_lists, #ARGV do
  local id = call('LINDEX', QUEUE .. ARGV[i], '0')
  local group = id and string.match(id, '^@(.*)')
  if group then id = call('LINDEX', GROUP .. ARGV[i] .. '/' .. group, '0') end
  heads[#heads + 1] = id and {call('GETRANGE', TASK .. id, '0', '399'), call('HGET', STATE .. id, 'queued') or ''} or {}
end
return heads
