-- gather: how far a family has come, and a page of its children with their results
-- FLAGS   no-writes
-- USES    family children gathered
-- ARGV    family start:number count:number
-- REPLY   {{field of the family, value, ...}, children stored, {ids}, {result per id, '' for an open one}}; the first is
--         empty if there is no such family
local ids = count > 0 and call('LRANGE', CHILDREN .. family, start, start + count - 1) or {}
local results = #ids > 0 and call('HMGET', GATHERED .. family, unpack(ids)) or {}
return {call('HGETALL', FAMILY .. family), call('LLEN', CHILDREN .. family), ids, results}
