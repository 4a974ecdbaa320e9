-- read_circuits: all circuits with the first page, and a page of how they are and of what is paused
-- FLAGS   no-writes
-- USES    circuits gates blocked faults
-- INCLUDE clock
-- ARGV    cursor
-- REPLY   {now ms, {name, rule, failures with its name as the key that count now, ...}, {key, gate of its circuit, how many are held
--         back, ...}, {paused keys}, next cursor or '0'}
-- A key may come twice.
local rules, gates, paused, page = {}, {}, {}, call('HSCAN', GATES, cursor, 'COUNT', 250)
local found = cursor == '0' and call('HGETALL', CIRCUITS) or {}
for i = 1, #found, 2 do
  local within, count = tonumber(string.match(found[i + 1], '^%d+ (%d+) ') or 0), 0
  for _, at in ipairs(call('LRANGE', FAULTS .. found[i], 0, -1)) do
    if tonumber(at) > now - within then count = count + 1 end
  end
  local n = #rules
  rules[n + 1], rules[n + 2], rules[n + 3] = found[i], found[i + 1], count
end
for i = 1, #page[2], 2 do
  local name, n = page[2][i], #gates
  local key = string.match(name, '^!(.*)$')
  if key then
    gates[n + 1], gates[n + 2], gates[n + 3] = key, page[2][i + 1], call('ZCARD', BLOCKED .. key)
  else
    paused[#paused + 1] = name
  end
end
return {now, rules, gates, paused, page[1]}
