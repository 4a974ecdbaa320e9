-- remember: keep the numbers of this minute, once a minute, and forget the oldest
-- FLAGS   allow-oom
-- USES    history counters status dead workers queues queue grouped
-- INCLUDE clock text waited
-- ARGV    most:number most_queues:number default_lists*
-- REPLY   1 kept, 0 they were kept before
-- One line of numbers; who reads it has their names, see model/history.py. Of queues beyond most_queues, some are left
-- out by chance: the depths are for a chart.
local at = digits(now - now % 60000)
if string.match(call('LINDEX', HISTORY, -1) or '', '^%d+') == at then return 0 end

local line = {at}
local function add(number) line[#line + 1] = digits(tonumber(number or 0)) end
local counters =
  call('HMGET', COUNTERS, 'submitted', 'completed', 'failed', 'cancelled', 'retried', 'recovered', 'replayed')
for i = 1, 7 do add(counters[i]) end
for _, status in ipairs({'pending', 'scheduled', 'running', 'retry', 'waiting'}) do add(call('SCARD', STATUS .. status)) end
add(call('ZCARD', DEAD))
add(call('SCARD', WORKERS))

local depths, oldest = {}, now
local function look(label, list)
  local head = oldest_of(list)
  depths[label] = (depths[label] or 0) + call('LLEN', QUEUE .. list)
    + (call('HGET', GROUPED, list) or 0)
  if head then oldest = math.min(oldest, waits_since(head) or now) end
end
local queues = call('SRANDMEMBER', QUEUES, most_queues)
for i = first_default_lists, #ARGV do
  look(ARGV[i], ARGV[i])
  for _, queue in ipairs(queues) do look(ARGV[i], queue .. ':' .. ARGV[i]) end
end
add(now - oldest)
for i = first_default_lists, #ARGV do add(depths[ARGV[i]]) end

call('RPUSH', HISTORY, table.concat(line, ' '))
call('LTRIM', HISTORY, -most, -1)
call('PEXPIRE', HISTORY, most * 60000)
return 1
