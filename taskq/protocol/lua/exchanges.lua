-- exchanges: the last exchanges of a session, the oldest first
-- FLAGS   no-writes
-- USES    session
-- ARGV    session count:number
-- REPLY   list of "<id> <text>"
return call('LRANGE', SESSION .. session, -count, -1)
