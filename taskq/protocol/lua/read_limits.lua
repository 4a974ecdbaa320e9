-- read_limits: all limits, and how many run and wait with their keys
-- FLAGS   no-writes
-- USES    limits permits sole blocked jams
-- ARGV    most:number
-- REPLY   {{name, definition, ...}, {key, who run, who are blocked, ...}} of each name and of that many jams at most, some
--         of which are names
local found, counts = call('HGETALL', LIMITS), {}
local function count(key)
  local n = #counts
  local run = (tonumber(call('HGET', PERMITS, key)) or 0) + call('SISMEMBER', SOLE, key)
  counts[n + 1], counts[n + 2], counts[n + 3] = key, run, call('ZCARD', BLOCKED .. key)
end
for i = 1, #found, 2 do count(found[i]) end
for _, key in ipairs(call('ZRANGE', JAMS, '0', most - 1)) do count(key) end
return {found, counts}
