-- settle: apply outcomes outside of a turn (the supervisor for a task it has stopped, a consumer of a channel)
-- FLAGS   allow-oom
-- INCLUDE settle sweep
-- ARGV    groups:number others:number rest*
-- REPLY   {refused ids}
-- rest is what has finished, as in a turn (see lib/settle); the fence makes a repetition harmless.
local refused = check_settles(groups, others, first_rest)
sweep(math.min(settled() * 8, 1000))
settle_all()
return refused
