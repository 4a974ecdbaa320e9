-- beat: renew the leases of workers that live, and tell them what they must know
-- FLAGS   allow-oom
-- USES    worker leases meta running retention
-- INCLUDE clock text leaseclock running
-- ARGV    lease:number period:number rest*
-- REPLY   {uuid of the namespace, now ms, 1 if a lease has run out, 1 if retention is due, {per worker: 0 lost, or {ids to cancel}}}
-- rest is worker and token in turn.
local uuid = call('HGET', META, 'uuid') or ''
local replies, renewed = {}, {}
call('ZCARD', LEASES)
call('ZCARD', RETENTION)
for i = first_rest, #ARGV, 2 do
  local worker = ARGV[i]
  local card = call('HMGET', WORKER .. worker, 'token', 'cancels')
  local cancels = {}
  if card[1] == ARGV[i + 1] then
    for id in string.gmatch(card[2] or '', '[^ ]+') do
      local run = read_record(call('HGET', RUNNING, id))
      if run and run.worker == worker and string.find(run.flags, 'c', 1, true) then cancels[#cancels + 1] = id end
    end
    renewed[#renewed + 1] = {worker, 'beat', digits(now), card[2] and 'cancels', table.concat(cancels, ' ')}
  end
  replies[#replies + 1] = card[1] == ARGV[i + 1] and cancels or 0
end

local virtual = tick(period)
for _, fields in ipairs(renewed) do
  call('ZADD', LEASES, virtual + lease, fields[1])
  call('HSET', WORKER .. fields[1], unpack(fields, 2, fields[4] and 5 or 3))
end
local expired = call('ZRANGEBYSCORE', LEASES, '-inf', virtual, 'LIMIT', 0, 1)
local due = call('ZRANGEBYSCORE', RETENTION, '-inf', now, 'LIMIT', 0, 1)
return {uuid, now, #expired, #due, replies}
