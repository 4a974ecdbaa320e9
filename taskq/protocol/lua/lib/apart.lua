-- apart: those who come by a key of their own, which nobody else holds
-- USES limits permits sole gates circuits jams
-- Reads only. A key for each is the dearest case of all, so a permit that one task holds alone is an entry of a set, not a
-- number in permits: '=' before the key in its record says so, and whoever deletes that takes the entry out, unread.
-- A set of short words is looked through from its first one on each time; not if one of them is as long as this.
local LONG = '@ of the keys of limits: those that only one of the tasks that run holds'

-- The keys of those who come, each of another one of the same name, and nobody's so far; nothing if any is not like that.
local function keys_apart(ids, bodies, count, seen)
  local match, find = string.match, string.find
  local kind, till, name = match(bodies[1], '^([^"]*)","created_at":"[^"]*()","limit_keys":%["([%w_.%-]+):', 18 + #ids[1])
  local rule = kind and redis.pcall('HGET', LIMITS, name)
  if type(rule) ~= 'string' or not match(rule, '^[1-9]%d* %- ') then return nil end
  -- at known places behind the id stand the type and the key
  local before, lead = kind .. '"', '","limit_keys":["' .. name .. ':'
  local keys, known, far, further = {unpack(ids, 1, count)}, 0, till - #ids[1], till - #ids[1] + 17
  for n = 1, count do
    local body, length = bodies[n], #ids[n]
    if find(body, before, length + 18, true) ~= length + 18 or find(body, lead, length + far, true) ~= length + far then break end
    local key = match(body, '^([%w_.:%-]+)"%]', length + further)
    if not key or seen[key] ~= nil then break end
    keys[n], seen[key], known = key, false, n
  end
  local free = known == count
  local found = free and redis.pcall('SMISMEMBER', SOLE, LONG, unpack(keys)) or {}
  free = free and not found.err and math.max(unpack(found, 2)) == 0
  local fields = free and call('HLEN', PERMITS) or 0
  if fields > 1 or fields == 1 and call('HEXISTS', PERMITS, '@') == 0 then
    for _, number in ipairs(call('HMGET', PERMITS, unpack(keys))) do
      if number then free = false end
    end
  end
  if not free then
    for n = 1, known do seen[keys[n]] = nil end
    return nil
  end
  if found[1] == 0 then keys[count + 1] = LONG end
  return keys
end

-- alone are the keys of those who end, the first ones; seen has what those are who end, and as whose numbers. Returns whether
-- the short way can go on, and the keys of those who come, and what else is to be put into the set; without those, they are
-- counted by numbers, if at all.
local function come_apart(alone, leaving, ids, bodies, count, seen)
  if call('EXISTS', GATES, CIRCUITS, JAMS) > 0 then
    if call('EXISTS', GATES, CIRCUITS) > 0 then return leaving == 0 end
    for _, jam in ipairs(leaving > 0 and call('ZMSCORE', JAMS, unpack(alone, 1, leaving)) or {}) do
      if jam then return false end
    end
  end
  local keys = count > 0 and keys_apart(ids, bodies, count, seen) or nil
  if leaving > 0 and not keys then call('SCARD', SOLE) end
  return true, keys
end
