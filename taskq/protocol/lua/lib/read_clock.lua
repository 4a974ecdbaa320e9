-- read_clock: the server's time, for scripts that may not need it
local now_us, now
local function read_clock()
  local clock = call('TIME')
  now_us = clock[1] * 1000000 + clock[2]
  now = math.floor(now_us / 1000)
end
