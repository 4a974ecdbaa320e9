-- history: the lines of the last minutes that were kept
-- FLAGS   no-writes
-- USES    history
-- ARGV    count:number
-- REPLY   {line, ...}, the latest one last
return call('LRANGE', HISTORY, -count, -1)
