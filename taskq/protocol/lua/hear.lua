-- hear: what a task was told by a signal, and which of its waits were in vain
-- FLAGS   no-writes
-- USES    signals state
-- ARGV    id name
-- REPLY   {data or nil, numbers of the waits that ran out of time, with spaces between them, or nil}
return {call('HGET', SIGNALS .. id, name), call('HGET', STATE .. id, 'late')}
