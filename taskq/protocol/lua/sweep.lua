-- sweep: the janitor's step, forget what has expired
-- FLAGS   allow-oom
-- INCLUDE sweep
-- ARGV    limit:number
-- REPLY   number of ids forgotten
return sweep(limit)
