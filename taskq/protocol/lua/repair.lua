-- repair: hand back what stands in a worker's processing list but is not held by it; give each worker a lease
-- FLAGS   allow-oom
-- USES    processing state status queue worker workers leases
-- INCLUDE clock text leaseclock bell events
-- ARGV    worker token lease:number period:number held*
-- REPLY   {ids handed back}
-- The worker calls it after a reconnect with all that it holds; at most 1000 ids are looked at.
if call('HGET', WORKER .. worker, 'token') ~= token then return {} end
local held = {}
for i = first_held, #ARGV do held[ARGV[i]] = true end
local ids, states = call('LRANGE', PROCESSING .. worker, 0, 999), {}
for i, id in ipairs(ids) do
  states[i] = call('HMGET', STATE .. id, 'status', 'worker', 'list')
  if states[i][3] then call('LLEN', QUEUE .. states[i][3]) end
end
for _, status in ipairs({'running', 'pending'}) do call('SCARD', STATUS .. status) end
call('ZCARD', LEASES)
local members = call('SRANDMEMBER', WORKERS, 100)
local virtual = tick(period)
for _, member in ipairs(members) do
  if not call('ZSCORE', LEASES, member) then call('ZADD', LEASES, virtual + lease, member) end
end
local back = {}
for i = #ids, 1, -1 do
  local id, state = ids[i], states[i]
  if not held[id] then
    call('LREM', PROCESSING .. worker, 1, id)
    if state[1] == 'running' and state[2] == worker then
      call('HDEL', STATE .. id, 'fence', 'worker', 'cancel')
      call('HSET', STATE .. id, 'status', 'pending')
      call('HINCRBY', STATE .. id, 'attempts', -1)
      call('SMOVE', STATUS .. 'running', STATUS .. 'pending', id)
      call('LPUSH', QUEUE .. state[3], id)
      ring(state[3])
      emit_status(id, 'pending', 'running')
      back[#back + 1] = id
    end
  end
end
return back
