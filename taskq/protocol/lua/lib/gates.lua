-- gates: what keeps back whatever is counted by a key: a pause, or a circuit that is not closed
-- USES gates circuits running
-- INCLUDE clock
-- Behind lib/room, which asks them if there are any; the short way of a turn takes them only then.
-- by key; and the key of a probe that was sent out by this very script
local circuits, sent_out = {}, {}

-- "<failures> <within ms> <open for ms> [<share in thousandths>]", by the whole key or by its name
function circuit_of(key)
  if circuits[key] == nil then
    local text = call('HGET', CIRCUITS, key) or call('HGET', CIRCUITS, match(key, '^[^:]*'))
    local failures, within, open_for, share = match(text or '', '^(%d+) (%d+) (%d+) ?(%d*)$')
    circuits[key] = failures and {failures = tonumber(failures), within = tonumber(within), open_for = tonumber(open_for),
      share = tonumber(share)} or false
  end
  return circuits[key]
end

-- Returns how many may pass the gate of a key, nil if it is open to all, and when to look again. "paused <since>", or for
-- its circuit "open <since> <until>" or "half <id of the probe>".
function gate_of(key)
  local gates = call('HMGET', GATES, key, '!' .. key)
  if gates[1] or sent_out[key] then return 0, now + 60000 end
  -- one whose circuit was removed keeps nobody back
  if not gates[2] or not circuit_of(key) then return nil end
  local since, till = match(gates[2], '^open (%d+) (%d+)$')
  -- later than now: the clock was set back
  if since and tonumber(till) > now and tonumber(since) <= now + 1000 then return 0, tonumber(till) end
  local probe = match(gates[2], '^half (%S+)$')
  -- one that does not run any more was lost with its record
  if probe and call('HEXISTS', RUNNING, probe) == 1 then return 0, now + 60000 end
  return 1, now + 60000
end
