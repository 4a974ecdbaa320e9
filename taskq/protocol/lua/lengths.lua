-- lengths: how many tasks wait in some lists
-- FLAGS   no-writes
-- USES    queue grouped
-- ARGV    lists*
-- REPLY   {length per list}
local lengths = {}
for i = first_lists, #ARGV do
  lengths[#lengths + 1] = call('LLEN', QUEUE .. ARGV[i]) + (call('HGET', GROUPED, ARGV[i]) or 0)
end
return lengths
