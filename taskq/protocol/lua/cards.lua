-- cards: a page of the cards of the registered workers and of what they hold
-- FLAGS   no-writes
-- USES    workers worker processing leases meta
-- INCLUDE clock scanned
-- ARGV    cursor
-- REPLY   {now ms, {worker, {field, value, ...}, {held ids}, ms of lease left, ...}, next cursor or '0'}
-- A worker may come twice.
local workers, following = scan_page(WORKERS, cursor, 25)
local credit, cards = tonumber(call('HGET', META, 'lease_credit') or 0), {}
for _, worker in ipairs(workers) do
  local n, lease = #cards, call('ZSCORE', LEASES, worker)
  cards[n + 1], cards[n + 2] = worker, call('HGETALL', WORKER .. worker)
  cards[n + 3] = call('LRANGE', PROCESSING .. worker, 0, 99)
  cards[n + 4] = lease and tonumber(lease) - now + credit or -1
end
return {now, cards, following}
