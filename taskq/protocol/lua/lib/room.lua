-- room: how many may start with a key of a limit, and who takes of that room
-- USES limits permits rate starts gates circuits
-- INCLUDE clock
-- Apart from the rest of the limits, because the short way of a turn takes it as a copy when a limit is set: what a function
-- costs there is what it refers to.
-- permits has of each key how many runs hold one; which they are stands in their records alone.
-- what one script needs to know once: definitions by key and by name; by key how many hold permits, and when a bucket is full
local defined, holders, full_at = {}, {}, nil
-- whether there are gates or circuits at all; if so lib/gates tells what they let through
local guarded, gate_of, circuit_of, match = nil, nil, nil, string.match

-- A limit is "<most at a time or 0> <-, bucket or window> <starts> <ms> <burst> ...".
local function limit_in(text)
  local most, kind = match(text, '^(%d+) (%S+) ')
  local limit = most and {most = tonumber(most), kind = kind} or false
  if limit and kind ~= '-' then
    local starts, period, burst = match(text, '^(%d+) (%d+) (%d+)', #most + #kind + 3)
    limit.starts, limit.period, limit.burst = tonumber(starts), tonumber(period), tonumber(burst)
  end
  return limit
end

-- Returns how many may start now, when there is room for one more than that, and whether a run with the key holds a permit:
-- by the limit of the whole key, or else of its name.
local function room(key)
  local limit = defined[key]
  if limit == nil then
    local whole = call('HGET', LIMITS, key)
    local name = whole and key or match(key, '^[^:]*')
    limit = defined[name]
    if limit == nil then
      limit = limit_in(whole or name ~= key and call('HGET', LIMITS, name) or '')
      defined[name] = limit
    end
    defined[key] = limit
  end
  local free, again, held = 1 / 0, now + 60000, false
  if guarded == nil then guarded = call('EXISTS', GATES, CIRCUITS) > 0 end
  if guarded then
    local passing, when = gate_of(key)
    if passing == 0 then return 0, when, false end
    free, held = passing or free, circuit_of(key) and true or false
  end
  if not limit then return free, again, held end
  if limit.most > 0 then
    -- what a foreign hand has put there counts as none
    local count = holders[key] or tonumber(call('HGET', PERMITS, key)) or 0
    holders[key], held = count, true
    if limit.most - count < free then free = limit.most - count end
    if limit.kind == '-' then return free, again, held end
  end
  if limit.kind == 'bucket' then
    -- the time at which it is full again: later than it can be, the clock was set back
    local step, full = limit.period / limit.starts, tonumber(call('GET', RATE .. key) or 0) or 0
    full = full < now + step * limit.burst + 1000 and math.max(now, full) or now
    full_at = full_at or {}
    full_at[key] = full
    local tokens = math.floor((now - full) / step + limit.burst + 0.000001)
    free, again = math.min(free, tokens), math.ceil(full + (tokens + 1 - limit.burst) * step)
  elseif limit.kind == 'window' then
    local past, first = 0, nil
    for _, start in ipairs(call('LRANGE', STARTS .. key, '0', '9')) do
      start = tonumber(start) or 0
      -- later than now: the clock was set back
      if start <= now - limit.period or start > now + 1000 then past = past + 1 else first = first or start end
    end
    free = math.min(free, limit.starts - call('LLEN', STARTS .. key) + past)
    if first then again = first + limit.period end
  end
  return free, math.max(again, now + 1), held
end

-- a start for each of some tasks for which there is room
local function start_with(key, count)
  local limit = defined[key]
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
