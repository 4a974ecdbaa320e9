-- promote: move due tasks to their lists
-- FLAGS   allow-oom
-- INCLUDE promote
-- ARGV    limit:number
-- REPLY   {moved, ms until the next one falls due or -1}
local moved, wait = promote(limit, until_next())
return {moved, wait}
