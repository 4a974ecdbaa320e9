-- room: how many may start with a key of a limit
-- USES limits permits sole gates circuits
-- INCLUDE clock pace
-- permits has of each key how many runs hold one, but for those that hold it alone, see lib/apart; which they are stands
-- in their records alone.
-- what one script needs to know once: definitions by key and by name, numbers in permits by key, whether any hold one alone
local defined, holders, some_alone = {}, {}, nil
-- whether there are gates or circuits at all; if so lib/gates tells what they let through
local guarded, gate_of, circuit_of, match = nil, nil, nil, string.match

-- what a foreign hand has put there counts as none
local function number_of(key)
  return holders[key] or tonumber(call('HGET', PERMITS, key)) or 0
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
    local count = number_of(key)
    holders[key], held = count, true
    if some_alone == nil then some_alone = call('EXISTS', SOLE) == 1 end
    if some_alone then count = count + call('SISMEMBER', SOLE, key) end
    if limit.most - count < free then free = limit.most - count end
  end
  if limit.kind == '-' then return free, again, held end
  local starts, when = starts_left(key, limit)
  return math.min(free, starts), math.max(when or again, now + 1), held
end
