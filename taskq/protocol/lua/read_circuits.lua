-- read_circuits: all circuits, how they are, and what is paused
-- FLAGS   no-writes
-- USES    circuits gates blocked
-- INCLUDE clock
-- ARGV    most:number
-- REPLY   {now ms, {name, rule, ...}, {key, gate of its circuit, how many are held back, ...}, {paused keys}}
local gates, paused, gate = {}, {}, call('HGETALL', GATES)
for i = 1, math.min(#gate, 2 * most), 2 do
  local key, n = string.match(gate[i], '^!(.*)$'), #gates
  if key then
    gates[n + 1], gates[n + 2], gates[n + 3] = key, gate[i + 1], call('ZCARD', BLOCKED .. key)
  else
    paused[#paused + 1] = gate[i]
  end
end
return {now, call('HGETALL', CIRCUITS), gates, paused}
