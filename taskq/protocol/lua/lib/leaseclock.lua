-- leaseclock: the clock that leases run on: server time without the stalls it has seen
-- USES meta jams scheduled
-- INCLUDE clock text
-- Every beat and reap ticks it. A gap of more than three periods between two ticks, or a step back, means that nobody
-- could beat (the server stalled, restarted, failed over or had its clock set): that time ages no lease. Small steps back
-- make it stand still, or many of them would add up.
local function lease_now(period)
  local seen = call('HMGET', META, 'lease_tick', 'lease_credit')
  local last, credit = tonumber(seen[1] or now), tonumber(seen[2] or 0)
  local gap = now - last
  local aged = (gap > period * 3 or gap < -1000) and period or math.max(gap, 0)
  credit = credit + gap - aged
  return now - credit, aged ~= gap and credit, gap < -1000
end

-- When to look at blocked tasks is noted on the clock that was set back: the first thousand keys are looked at now.
local function look_at_all_jams()
  local keys, words = redis.pcall('ZRANGE', JAMS, '0', '999'), {}
  if not keys[1] or type(redis.pcall('ZCARD', SCHEDULED)) ~= 'number' then return end
  for n, key in ipairs(keys) do words[2 * n - 1], words[2 * n] = digits(now), key end
  call('ZADD', JAMS, unpack(words))
  call('ZADD', SCHEDULED, 'LT', digits(now), '@limits')
end

local function tick(period)
  local virtual, credit, stepped_back = lease_now(period)
  if stepped_back then look_at_all_jams() end
  if credit then call('HSET', META, 'lease_credit', digits(credit)) end
  call('HSET', META, 'lease_tick', digits(now))
  return virtual
end
