-- room: how many may start with a key of a limit, and who takes of that room
-- USES limits permits rate starts gates circuits running
-- INCLUDE clock
-- Apart from the rest of the limits, because the short way of a turn takes it as a copy when a limit is set.
local LOOK_MS, NONE, NO_END = 60000, {most = 0}, math.huge
-- what one script needs to know once: texts by name of the limit, definitions by text; by key how many hold permits, and
-- when a bucket is full
local texts, definitions, holders, full_at = {}, {}, {}, {}
-- circuits by key; the key of a probe that was sent out by this very script; and whether there are gates or circuits at all
local circuits, sent_out, guarded = {}, {}, nil
local match, find = string.match, string.find

local function is_guarded()
  if guarded == nil then guarded = call('EXISTS', GATES, CIRCUITS) > 0 end
  return guarded
end

-- "<failures> <within ms> <open for ms>", by the whole key or by its name
local function circuit_of(key)
  if circuits[key] == nil then
    local text = is_guarded() and (call('HGET', CIRCUITS, key) or call('HGET', CIRCUITS, match(key, '^[^:]*')))
    local failures, within, open_for = match(text or '', '^(%d+) (%d+) (%d+)$')
    circuits[key] = failures and {failures = tonumber(failures), within = tonumber(within), open_for = tonumber(open_for)}
      or false
  end
  return circuits[key]
end

-- Returns how many may pass the gate of a key, nil if it is open to all, and when to look again. "paused <since>", or for
-- its circuit "open <since> <until>" or "half <id of the probe>".
local function gate_of(key)
  local gates = call('HMGET', GATES, key, '!' .. key)
  if gates[1] or sent_out[key] then return 0, now + LOOK_MS end
  if not gates[2] then return nil end
  local since, till = match(gates[2], '^open (%d+) (%d+)$')
  -- later than now: the clock was set back
  if since and tonumber(till) > now and tonumber(since) <= now + 1000 then return 0, tonumber(till) end
  local probe = match(gates[2], '^half (%S+)$')
  -- one that does not run any more was lost with its record
  if probe and call('HEXISTS', RUNNING, probe) == 1 then return 0, now + LOOK_MS end
  return 1, now + LOOK_MS
end

-- "<most at a time or 0> <-, bucket or window> <starts> <ms> <burst> ...", by the whole key or by its name
local function definition(key)
  if texts[key] == nil then texts[key] = call('HGET', LIMITS, key) end
  local text = texts[key]
  if not text then
    local name = match(key, '^[^:]*')
    if texts[name] == nil then texts[name] = call('HGET', LIMITS, name) end
    text = texts[name] or ''
  end
  local known = definitions[text]
  if known == nil then
    local most, kind = match(text, '^(%d+) (%S+) ')
    known = most and {most = tonumber(most), kind = kind} or false
    if known and kind ~= '-' then
      local starts, period, burst = match(text, '^(%d+) (%d+) (%d+)', #most + #kind + 3)
      known = starts and {most = known.most, kind = kind, starts = tonumber(starts), period = tonumber(period),
        burst = tonumber(burst)} or false
    end
    definitions[text] = known
  end
  return known
end

-- Returns how many may start now, and when there is room for one more than that.
local function room(key)
  local limit, free, again = definition(key), NO_END, now + LOOK_MS
  if is_guarded() then
    local passing, when = gate_of(key)
    if passing == 0 then return 0, when end
    free = passing or free
  end
  if not limit then return free, again end
  if limit.most > 0 then
    local held = holders[key] or call('SCARD', PERMITS .. key)
    holders[key] = held
    if limit.most - held < free then free = limit.most - held end
    if limit.kind == '-' then return free, again end
  end
  if limit.kind == 'bucket' then
    -- the time at which it is full again: later than it can be, the clock was set back
    local step, full = limit.period / limit.starts, tonumber(call('GET', RATE .. key) or 0) or 0
    full = full < now + step * limit.burst + 1000 and math.max(now, full) or now
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
  return free, math.max(again, now + 1)
end

-- a permit, or a start, for each of some tasks for which there is room
local function take(key, ids)
  local limit = definition(key) or NONE
  if limit.most > 0 or circuit_of(key) then holders[key] = (holders[key] or 0) + call('SADD', PERMITS .. key, unpack(ids)) end
  if limit.kind == 'bucket' then
    local full = full_at[key] + limit.period / limit.starts * #ids
    full_at[key] = full
    call('SET', RATE .. key, string.format('%.3f', full), 'PX', string.format('%d', math.ceil(full - now)))
  elseif limit.kind == 'window' then
    local start, length = string.format('%d', now), 0
    for _ = 1, #ids do length = call('RPUSH', STARTS .. key, start) end
    if length > limit.starts then call('LTRIM', STARTS .. key, -limit.starts, '-1') end
    call('PEXPIRE', STARTS .. key, string.format('%d', limit.period))
  end
end

local function holds(key)
  local limit = definition(key)
  return limit and limit.most > 0 or circuit_of(key)
end

-- of some keys those whose permits a run holds
local function held_of(keys)
  local held
  for key in string.gmatch(keys, '[^ ]+') do
    if holds(key) then held = held and held .. ' ' .. key or key end
  end
  return held
end

-- reads only: whether there is room for all of some tasks, given by the keys that count them. Returns who is counted by
-- each key, and what each of them will hold; nil if there is not.
local function room_for_all(groups)
  -- a closed gate, or one that lets a probe through, is for the long way
  if is_guarded() and call('EXISTS', GATES) == 1 then return nil end
  local members, names, held = {}, {}, {}
  for keys, ids in pairs(groups) do
    if not members[keys] and not find(keys, ' ', 1, true) then
      members[keys], names[#names + 1] = ids, keys
    else
      for key in string.gmatch(keys, '[^ ]+') do
        local known = members[key]
        members[key] = ids
        if known then
          -- of two groups
          members[key] = {unpack(known)}
          for _, id in ipairs(ids) do table.insert(members[key], id) end
        else
          names[#names + 1] = key
        end
      end
    end
  end
  if #names > 2 then
    for n, text in ipairs(call('HMGET', LIMITS, unpack(names))) do texts[names[n]] = text end
  end
  for key, ids in pairs(members) do
    if room(key) < #ids then return nil end
    held[key] = holds(key) and key
  end
  for keys in pairs(groups) do
    if held[keys] == nil then held[keys] = held_of(keys) end
  end
  return members, held
end
