-- leaseclock: the clock that leases run on: server time without the stalls it has seen
-- USES meta
-- INCLUDE clock text
-- Every beat and reap ticks it. A gap of more than three periods between two ticks, or a step back, means that nobody
-- could beat (the server stalled, restarted, failed over or had its clock set): that time ages no lease.
local function lease_now(period)
  local seen = call('HMGET', META, 'lease_tick', 'lease_credit')
  local last, credit = tonumber(seen[1] or now), tonumber(seen[2] or 0)
  local gap = now - last
  local stalled = gap > period * 3 or gap < -1000
  if stalled then credit = credit + gap - period end
  return now - credit, stalled and credit
end

local function tick(period)
  local virtual, credit = lease_now(period)
  if credit then call('HSET', META, 'lease_credit', digits(credit)) end
  call('HSET', META, 'lease_tick', digits(now))
  return virtual
end
