-- cards: the cards of the registered workers and what they hold
-- FLAGS   no-writes
-- USES    workers worker processing leases meta
-- INCLUDE clock
-- ARGV    limit:number
-- REPLY   {now ms, {worker, {field, value, ...}, {held ids}, ms of lease left, ...}}
local members = call('SMEMBERS', WORKERS)
local credit = tonumber(call('HGET', META, 'lease_credit') or 0)
table.sort(members)
local cards = {}
for i = 1, math.min(limit, #members) do
  local worker, n = members[i], #cards
  local lease = call('ZSCORE', LEASES, worker)
  cards[n + 1], cards[n + 2] = worker, call('HGETALL', WORKER .. worker)
  cards[n + 3] = call('LRANGE', PROCESSING .. worker, 0, 99)
  cards[n + 4] = lease and tonumber(lease) - now + credit or -1
end
return {now, cards}
