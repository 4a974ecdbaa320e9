-- settle: apply outcomes outside of a turn (the supervisor for a task it has stopped, a consumer of a channel)
-- FLAGS   allow-oom
-- INCLUDE settle sweep
-- ARGV    settles:number rest*
-- REPLY   {refused ids}
-- rest is five words per settle, as in a turn; the fence makes a repetition harmless.
local attempts, refused = check_settles(settles, first_rest)
sweep(settles * 2)
for _, attempt in ipairs(attempts) do settle(unpack(attempt)) end
settle_completed()
return refused
