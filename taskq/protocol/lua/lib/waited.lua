-- waited: since when the first of a list has waited there
-- USES queue task state status group
-- That is since its submit, or since it came into its list later than that: see lib/promote, lib/leave and whatever wakes
-- a task. Only times that are noted anyway are looked at, so one that was replayed counts from its submit.

-- ms since 1970 of the moment at which a task was created; days from civil date as in lib/text
local function created_ms(envelope)
  local y, m, d, hour, minute, second, rest =
    string.match(envelope, '"created_at":"(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)%.?(%d*)')
  if not y then return nil end
  y, m = m + 0 <= 2 and y - 1 or y + 0, (m + 9) % 12
  local era = math.floor(y / 400)
  local year = y - era * 400
  local day = year * 365 + math.floor(year / 4) - math.floor(year / 100) + math.floor((153 * m + 2) / 5) + d - 1
  return (((era * 146097 + day - 719468) * 24 + hour) * 60 + minute) * 60000 + second * 1000
    + string.sub(rest .. '000', 1, 3)
end

-- ms; nil if its envelope does not tell
local function waits_since(id)
  local created, noted = created_ms(call('GETRANGE', TASK .. id, '0', '511')), redis.pcall('HGET', STATE .. id, 'queued')
  return created and math.max(created, type(noted) == 'string' and tonumber(noted) or 0)
end

-- the first in line: of a group, others may have waited longer; a tombstone waits for nothing; of more than ten at the head of a list, none is the oldest
local function oldest_of(list)
  for _, entry in ipairs(call('LRANGE', QUEUE .. list, '0', '9')) do
    local group = string.match(entry, '^@(.*)')
    local id = group and call('LINDEX', GROUP .. list .. '/' .. group, '0') or entry
    if call('SISMEMBER', STATUS .. 'pending', id) == 1 then return id end
  end
end
