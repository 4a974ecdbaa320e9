-- survey: a step through the keys of the namespace: name, type and time to live of each
-- FLAGS   no-writes
-- USES    root
-- ARGV    cursor pattern count:number
-- REPLY   {next cursor or '0', {key without root, type, ms to live or -1, ...}}
local page, found = call('SCAN', cursor, 'MATCH', pattern, 'COUNT', count), {}
for _, key in ipairs(page[2]) do
  local n = #found
  found[n + 1], found[n + 2], found[n + 3] = string.sub(key, #ROOT + 1), call('TYPE', key).ok, call('PTTL', key)
end
return {page[1], found}
