-- stats: sizes of everything, as of one instant, and a page of the lists
-- FLAGS   no-writes
-- USES    status queue queues task workers dead paused tombstones counters
-- INCLUDE clock
-- ARGV    cursor default_lists*
-- REPLY   {now ms, {status, size, ...}, {list, length, head of the oldest envelope, 1 if paused, ...}, {counter, value, ...},
--         workers, dead, tombstones, next cursor or '0'}
-- The default lists come with the first page, a queue may come twice.
local lists, page = {}, call('SSCAN', QUEUES, cursor, 'COUNT', 50)
for i = first_default_lists, cursor == '0' and #ARGV or 0 do lists[#lists + 1] = ARGV[i] end
for _, queue in ipairs(page[2]) do
  for i = first_default_lists, #ARGV do lists[#lists + 1] = queue .. ':' .. ARGV[i] end
end
local sizes, depths, paused = {}, {}, {}
for _, list in ipairs(call('SMEMBERS', PAUSED)) do paused[list] = 1 end
for _, status in ipairs({'pending', 'scheduled', 'running', 'retry', 'waiting', 'completed', 'failed', 'cancelled'}) do
  sizes[#sizes + 1] = status
  sizes[#sizes + 1] = call('SCARD', STATUS .. status)
end
for _, list in ipairs(lists) do
  local n, length = #depths, call('LLEN', QUEUE .. list)
  depths[n + 1], depths[n + 2], depths[n + 4] = list, length, paused[list] or paused['*'] or 0
  depths[n + 3] = length > 0 and call('GETRANGE', TASK .. call('LINDEX', QUEUE .. list, 0), 0, 511) or ''
end
return {now, sizes, depths, call('HGETALL', COUNTERS), call('SCARD', WORKERS), call('ZCARD', DEAD), call('SCARD', TOMBSTONES),
  page[1]}
