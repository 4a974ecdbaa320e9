-- shifted_clock: for tests, the server's time plus what the test has written into the namespace
-- USES meta
local now_us, now, server_ms
local function read_clock()
  local clock = call('TIME')
  local shift_ms = tonumber(call('HGET', META, 'test_clock_shift_ms') or 0)
  now_us = clock[1] * 1000000 + clock[2] + shift_ms * 1000
  now = math.floor(now_us / 1000)
  server_ms = now - shift_ms
end
