-- report: count a child as completed by hand, before its task ends or without one
-- FLAGS   allow-oom
-- USES    family gathered
-- INCLUDE family
-- ARGV    family id result call_id
-- REPLY   {code, 1 if this call has ended the family}: code 1 counted, 0 it was counted before, -1 no such child
-- call_id is made up by the caller for this one call: the same call again gets the same answer.
local stored = call('HGET', GATHERED .. family, id)
if not stored then return {-1, 0} end
check_parents(family)
local ended = count_down(id, family, 'completed', result)
if #ended > 0 then call('HSET', FAMILY .. family, 'closer', call_id) end
return {stored == '' and 1 or 0, call('HGET', FAMILY .. family, 'closer') == call_id and 1 or 0}
