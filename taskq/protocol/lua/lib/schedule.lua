-- schedule: put an id into the future, and wake a scheduler if it is now the first to fall due
-- USES scheduled
-- INCLUDE bell
local rescheduled = false

local function schedule(id, due, list)
  rescheduled = true
  local first = call('ZRANGE', SCHEDULED, 0, 0, 'WITHSCORES')
  call('ZADD', SCHEDULED, due, id)
  if not first[2] or due < tonumber(first[2]) then
    ring('@scheduler')
    ring(list)
  end
end
