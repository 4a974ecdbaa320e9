-- pace: how many may start with a key by the rate of its limit, and who takes of that
-- USES rate starts
-- INCLUDE clock
-- Apart from the room that permits leave, because the short way of a turn takes it as a copy when it meets a rate: what
-- a function costs there is what it refers to.
-- by key when its bucket is full
local full_at = {}

-- A limit is "<most at a time or 0> <-, bucket or window> <starts> <ms> <burst> ...".
local function limit_in(text)
  local most, kind, starts, period, burst = string.match(text, '^(%d+) (%S+) (%d+) (%d+) (%d+) ')
  if not most then return false end
  -- all at once: a table that grows costs more than what is put into it
  return {most = tonumber(most), kind = kind, starts = tonumber(starts), period = tonumber(period), burst = tonumber(burst)}
end

-- One with a rate: returns how many may start now, and when it is one more than that, if the time is known.
local function starts_left(key, limit)
  if limit.kind == 'bucket' then
    -- the time at which it is full again: later than it can be, the clock was set back
    local step, full = limit.period / limit.starts, tonumber(call('GET', RATE .. key) or 0) or 0
    full = full < now + step * limit.burst + 1000 and math.max(now, full) or now
    full_at[key] = full
    local tokens = math.floor((now - full) / step + limit.burst + 0.000001)
    return tokens, math.ceil(full + (tokens + 1 - limit.burst) * step)
  end
  local past, first = 0, nil
  for _, start in ipairs(call('LRANGE', STARTS .. key, '0', '9')) do
    start = tonumber(start) or 0
    -- later than now: the clock was set back
    if start <= now - limit.period or start > now + 1000 then past = past + 1 else first = first or start end
  end
  return limit.starts - call('LLEN', STARTS .. key) + past, first and first + limit.period
end

-- a start for each of some tasks for which there is room
local function start_with(key, limit, count)
  if limit and limit.kind == 'bucket' then
    local full = full_at[key] + limit.period / limit.starts * count
    full_at[key] = full
    call('SET', RATE .. key, string.format('%.3f', full), 'PX', string.format('%d', math.ceil(full - now)))
  elseif limit and limit.kind == 'window' then
    local start, length = string.format('%d', now), 0
    for _ = 1, count do length = call('RPUSH', STARTS .. key, start) end
    if length > limit.starts then call('LTRIM', STARTS .. key, -limit.starts, '-1') end
    call('PEXPIRE', STARTS .. key, string.format('%d', limit.period))
  end
end
