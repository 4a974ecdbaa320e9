-- card: show on the card of a worker what has become of it
-- FLAGS   allow-oom
-- USES    worker
-- INCLUDE events
-- ARGV    worker token fields*
-- REPLY   1, or 0 if the worker is not registered
-- fields are names and values.
if call('HGET', WORKER .. worker, 'token') ~= token then return 0 end
call('HSET', WORKER .. worker, unpack(ARGV, first_fields))
emit('worker.changed', 'worker_id', worker)
return 1
