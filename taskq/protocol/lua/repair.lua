-- repair: hand back what stands in a worker's processing list but is not held by it; give each worker a lease
-- FLAGS   allow-oom
-- USES    processing state status queue worker workers leases running
-- INCLUDE clock text leaseclock bell events leave
-- ARGV    worker token lease:number period:number held*
-- REPLY   {{ids handed back}, 1 if there may be more}
-- The worker calls it after a reconnect with all that it holds. At most 1000 ids are looked at, and the newest 100 of those
-- that it does not hold handed back.
local MOST = 100
if call('HGET', WORKER .. worker, 'token') ~= token then return {{}, 0} end
local held = {}
for i = first_held, #ARGV do held[ARGV[i]] = true end
local all, ids, runs = call('LRANGE', PROCESSING .. worker, 0, 999), {}, {}
for i = #all, 1, -1 do
  if #ids < MOST and not held[all[i]] then ids[#ids + 1] = all[i] end
end
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
for i, id in ipairs(ids) do
  local run = runs[i]
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
fill_up()
return {back, #ids == MOST and 1 or 0}
