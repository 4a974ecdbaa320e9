-- hear: what a task was told by a signal, which of its waits were in vain, and whether it is a saga
-- FLAGS   no-writes
-- USES    signals state sagas
-- ARGV    id name
-- REPLY   {data or nil, numbers of the waits that ran out of time, with spaces between them, or nil, 1 if it is a saga
--         that has begun}
return {call('HGET', SIGNALS .. id, name), call('HGET', STATE .. id, 'late'), call('ZSCORE', SAGAS, id) and 1 or 0}
