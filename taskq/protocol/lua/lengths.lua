-- lengths: how long some lists are
-- FLAGS   no-writes
-- USES    queue
-- ARGV    lists*
-- REPLY   {length per list}
local lengths = {}
for i = first_lists, #ARGV do lengths[#lengths + 1] = call('LLEN', QUEUE .. ARGV[i]) end
return lengths
