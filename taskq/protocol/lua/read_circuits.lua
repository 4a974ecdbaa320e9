-- read_circuits: all circuits with the first page, and a page of how they are and of what is paused
-- FLAGS   no-writes
-- USES    circuits gates blocked faults
-- INCLUDE clock tally
-- ARGV    cursor
-- REPLY   {now ms, {name, rule, failures with its name as the key that count now, attempts or 0, ...}, {key, gate of its circuit, how many are held
--         back, ...}, {paused keys}, next cursor or '0'}
-- A key may come twice.
local rules, gates, paused, page = {}, {}, {}, call('HSCAN', GATES, cursor, 'COUNT', 250)
local found = cursor == '0' and call('HGETALL', CIRCUITS) or {}
for i = 1, #found, 2 do
  local within, share = string.match(found[i + 1], '^%d+ ([1-9]%d*) %d+ ?(%d*)$')
  local attempts, failed = 0, 0
  within = tonumber(within) or 0
  if share and share ~= '' then
    attempts, failed = tally_of(found[i], within)
  else
    for _, at in ipairs(call('LRANGE', FAULTS .. found[i], 0, -1)) do
      if tonumber(at) > now - within then failed = failed + 1 end
    end
  end
  local n = #rules
  rules[n + 1], rules[n + 2], rules[n + 3], rules[n + 4] = found[i], found[i + 1], failed, attempts
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
