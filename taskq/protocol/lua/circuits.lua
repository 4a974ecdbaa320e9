-- circuits: set, remove, open and close circuits
-- FLAGS   allow-oom
-- USES    circuits gates counters
-- INCLUDE limits limited
-- ARGV    verb name wanted most:number
-- REPLY   set: 1, or 0 if there are as many as may be; remove, close: 1 if there was one, or it was not closed;
--         open: 1, or 0 if no circuit is for that key
-- wanted is the rule to set, or for how many ms to open, 0: as the rule says. Whatever a removed circuit has held back
-- starts; of its keys at most 1,000 are looked at.
call('HLEN', COUNTERS)
-- also reads the limits, gates and circuits that write_limited looks at
check_limits(name)
if verb == 'set' then
  if call('HLEN', CIRCUITS) >= most and call('HEXISTS', CIRCUITS, name) == 0 then return 0 end
  call('HSET', CIRCUITS, name, wanted)
  write_limited()
  return 1
end
local circuit = circuit_of(name)
if verb == 'open' then
  if not circuit then return 0 end
  local gate = call('HGET', GATES, '!' .. name)
  local span = tonumber(wanted) > 0 and tonumber(wanted) or circuit.open_for
  -- sent twice: the first one holds
  if gate and string.find(gate, '^open ') and tonumber(string.match(gate, '(%d+)$')) >= now + span - 1000 then return 1 end
  open_circuit(name, span)
  write_limited()
  return 1
end
local keys = {}
local gates = call('HGETALL', GATES)
for i = 1, #gates, 2 do
  local key = string.match(gates[i], '^!(.*)$')
  local others = key and verb == 'remove' and string.match(key, '^[^:]*') == name and call('HEXISTS', CIRCUITS, key) == 0
  if #keys < 1000 and (key == name or others) then
    check_limits(key)
    keys[#keys + 1] = key
  end
end
local removed = verb == 'remove' and call('HDEL', CIRCUITS, name)
for _, key in ipairs(keys) do
  close_circuit(key)
  unblock(key, MOST)
end
write_limited()
return removed or #keys
