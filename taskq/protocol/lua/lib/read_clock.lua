-- read_clock: the server's time, for scripts that may not need it
-- now is what time is compared with; server_ms is what keys expire by (in tests, the first can be moved by hand)
local now_us, now, server_ms
local function read_clock()
  local clock = call('TIME')
  now_us = clock[1] * 1000000 + clock[2]
  now = math.floor(now_us / 1000)
  server_ms = now
end
