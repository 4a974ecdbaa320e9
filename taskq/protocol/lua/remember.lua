-- remember: keep the numbers of this minute, once a minute, and forget the oldest
-- FLAGS   allow-oom
-- USES    history counters status dead workers queues queue task
-- INCLUDE clock text
-- ARGV    most:number most_queues:number default_lists*
-- REPLY   1 kept, 0 they were kept before
-- One line of numbers; who reads it has their names, see model/history.py. Of queues beyond most_queues, some are left
-- out by chance: the depths are for a chart.
local at = digits(now - now % 60000)
if string.match(call('LINDEX', HISTORY, -1) or '', '^%d+') == at then return 0 end

-- ms since 1970 of the moment at which a task was created; days from civil date as in lib/text
local function created_ms(envelope)
  local y, m, d, hour, minute, second = string.match(envelope, '"created_at":"(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)')
  if not y then return now end
  y, m = m + 0 <= 2 and y - 1 or y + 0, (m + 9) % 12
  local era = math.floor(y / 400)
  local year = y - era * 400
  local day = year * 365 + math.floor(year / 4) - math.floor(year / 100) + math.floor((153 * m + 2) / 5) + d - 1
  return (((era * 146097 + day - 719468) * 24 + hour) * 60 + minute) * 60000 + second * 1000
end

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
  local head = call('LINDEX', QUEUE .. list, 0)
  depths[label] = (depths[label] or 0) + call('LLEN', QUEUE .. list)
  if head then oldest = math.min(oldest, created_ms(call('GETRANGE', TASK .. head, 0, 511))) end
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
