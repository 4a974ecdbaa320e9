-- blocked: the end of a task that waits for room
-- USES blocked jams woken
local function leave_blocked(id, key)
  if key and call('ZREM', BLOCKED .. key, id) == 1 and call('EXISTS', BLOCKED .. key) == 0 then
    call('ZREM', JAMS, key)
    call('HDEL', WOKEN, key)
  end
end
