-- register: make a worker known, so that it may claim and beat
-- FLAGS   allow-oom
-- USES    worker workers leases processing meta sidings
-- INCLUDE clock text leaseclock events sidings
-- ARGV    worker token lease:number period:number uuid version fields*
-- REPLY   {code, uuid of the namespace, server time ms}: code 1 registered, 0 the id is in use
-- fields are names and values for the card. The same token may register again; any trace of another one refuses.
local card = call('HGET', WORKER .. worker, 'token')
local traces = call('LLEN', PROCESSING .. worker) + (call('ZSCORE', LEASES, worker) and 1 or 0)
local stored = call('HGET', META, 'uuid')
call('SCARD', WORKERS)
call('HLEN', SIDINGS)
if card ~= token and (card or traces > 0) then return {0, stored or '', now} end
if not stored then
  stored = uuid
  call('HSET', META, 'uuid', uuid, 'version', version, 'created', digits(now))
end
call('HSET', WORKER .. worker, 'token', token, unpack(ARGV, first_fields))
call('SADD', WORKERS, worker)
call('ZADD', LEASES, tick(period) + lease, worker)
if call('EXISTS', SIDINGS) == 1 then survey_sidings() end
if not card then emit('worker.started', 'worker_id', worker) end
return {1, stored, now}
