-- bell: wake a worker that waits for a list
-- USES bell
-- The bell holds hints, never tasks; it is bounded, and one that was eaten by a dead waiter costs a timeout at most.
local function ring(list)
  if call('LLEN', BELL .. list) < 8 then call('RPUSH', BELL .. list, '1') end
end
