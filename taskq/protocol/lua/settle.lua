-- settle: apply outcomes outside of a turn (the supervisor for a task it has stopped, a consumer of a channel)
-- FLAGS   allow-oom
-- USES    status counters retention dead
-- INCLUDE settle sweep
-- ARGV    settles:number rest*
-- REPLY   {refused ids}
-- rest is five words per settle, as in a turn; the fence makes a repetition harmless.
local attempts, refused, seen = {}, {}, {}
for i = 1, settles do
  local at = first_rest + (i - 1) * 5
  local id, fence = ARGV[at], ARGV[at + 1]
  local state = not seen[id] and held(id, fence)
  seen[id] = true
  if state then attempts[#attempts + 1] = {id, state, ARGV[at + 2], ARGV[at + 3], tonumber(ARGV[at + 4])}
  else refused[#refused + 1] = id end
end
for _, status in ipairs({'running', 'pending', 'scheduled', 'retry', 'completed', 'failed', 'cancelled'}) do
  call('SCARD', STATUS .. status)
end
call('ZCARD', RETENTION)
call('ZCARD', DEAD)
call('HLEN', COUNTERS)
for _, attempt in ipairs(attempts) do settle(unpack(attempt)) end
settle_completed()
sweep(settles * 2)
return refused
