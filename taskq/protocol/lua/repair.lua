-- repair: hand back what stands in a worker's processing list but is not held by it; give each worker a lease
-- FLAGS   allow-oom
-- USES    processing state status queue worker workers leases running
-- INCLUDE clock text leaseclock bell events leave
-- ARGV    worker token lease:number period:number held*
-- REPLY   {ids handed back}
-- The worker calls it after a reconnect with all that it holds; at most 1000 ids are looked at.
if call('HGET', WORKER .. worker, 'token') ~= token then return {} end
local held = {}
for i = first_held, #ARGV do held[ARGV[i]] = true end
local ids, runs = call('LRANGE', PROCESSING .. worker, 0, 999), {}
local records = #ids > 0 and call('HMGET', RUNNING, unpack(ids)) or {}
for i, id in ipairs(ids) do
  runs[i] = read_record(records[i]) or {}
  call('HLEN', STATE .. id)
  if runs[i].list then
    call('LLEN', QUEUE .. runs[i].list)
    check_limits(runs[i].held)
  end
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
  local id, run = ids[i], runs[i]
  if not held[id] then
    call('LREM', PROCESSING .. worker, 1, id)
    if run.worker == worker then
      leave_running(id, run, 'pending', run.attempt - 1)
      call('SMOVE', STATUS .. 'running', STATUS .. 'pending', id)
      call('LPUSH', QUEUE .. run.list, id)
      ring(run.list)
      emit_status(id, 'pending', 'running')
      back[#back + 1] = id
    end
  end
end
fill_up()
return back
