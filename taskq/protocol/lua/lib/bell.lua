-- bell: wake a worker that waits for a list
-- USES bell
-- The bell holds hints, never tasks; it is bounded, and one that was eaten by a dead waiter costs a timeout at most.
local function ring(list)
  -- a key of the wrong type wakes nobody, but must not stop the transition halfway
  local hints = redis.pcall('LLEN', BELL .. list)
  if type(hints) == 'number' and hints < 8 then call('RPUSH', BELL .. list, '1') end
end
