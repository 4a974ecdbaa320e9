-- beat: renew the leases of workers that live, and tell them what they must know
-- FLAGS   allow-oom
-- USES    worker leases meta running retention counters
-- INCLUDE clock text leaseclock events running
-- ARGV    lease:number period:number seen_uuid seen_stamp:number rest*
-- REPLY   {uuid of the namespace, now ms, 1 if a lease has run out, 1 if retention is due, {per worker: 0 lost, or {ids to cancel}},
--         stamp of this beat, ms of the last time that writes were found lost or 0, {per worker: its wish or ''}}
-- rest is three words per worker: id, token, 1 if the beat that gave seen_stamp was for it. seen_uuid and seen_stamp are
-- what the last beat has answered ('' and 0: none yet). Stamps are times that never go back, in ms.
local meta = call('HMGET', META, 'uuid', 'stamp', 'rolled_back')
local uuid, stored, rolled_back = meta[1] or '', tonumber(meta[2] or 0), tonumber(meta[3] or 0)
-- A beat that was answered and is not there any more: writes have been lost, by a failover, a restore, a power cut or a
-- flush. Whoever remembers reports; within one lease it is the same loss.
local lost = seen_stamp > stored or (seen_uuid ~= '' and seen_uuid ~= uuid)
local stamp = math.max(now, stored, seen_stamp + 1)
local replies, wishes, renewed = {}, {}, {}
call('ZCARD', LEASES)
call('ZCARD', RETENTION)
call('HLEN', COUNTERS)
for i = first_rest, #ARGV, 3 do
  local worker = ARGV[i]
  local card = call('HMGET', WORKER .. worker, 'token', 'cancels', 'beat', 'wish')
  local cancels = {}
  if card[1] == ARGV[i + 1] then
    lost = lost or (ARGV[i + 2] == '1' and tonumber(card[3] or 0) < seen_stamp)
    for id in string.gmatch(card[2] or '', '[^ ]+') do
      local run = read_record(call('HGET', RUNNING, id))
      if run and run.worker == worker and string.find(run.flags, 'c', 1, true) then cancels[#cancels + 1] = id end
    end
    renewed[#renewed + 1] = {worker, 'beat', digits(stamp), card[2] and 'cancels', table.concat(cancels, ' ')}
  end
  local known = card[1] == ARGV[i + 1]
  replies[#replies + 1], wishes[#wishes + 1] = known and cancels or 0, known and card[4] or ''
end

local virtual = tick(period)
call('HSET', META, 'stamp', digits(stamp))
if lost and now - rolled_back > lease then
  rolled_back = now
  call('HSET', META, 'rolled_back', digits(now))
  call('HINCRBY', COUNTERS, 'rollbacks', 1)
  emit('namespace.rolled_back', 'seen', seen_stamp, 'found', stored)
end
for _, fields in ipairs(renewed) do
  call('ZADD', LEASES, virtual + lease, fields[1])
  call('HSET', WORKER .. fields[1], unpack(fields, 2, fields[4] and 5 or 3))
end
local expired = call('ZRANGEBYSCORE', LEASES, '-inf', virtual, 'LIMIT', 0, 1)
local due = call('ZRANGEBYSCORE', RETENTION, '-inf', now, 'LIMIT', 0, 1)
return {uuid, now, #expired, #due, replies, stamp, rolled_back, wishes}
