-- bounded: what a queue holds that has a limit
-- USES queue grouped bytes crowd
-- INCLUDE clock
-- reads only: adds {queue, limit, tasks in its lists, their bytes or '', 1 if a submit has waited for room there in the last
-- ten seconds} to some words
local function add_bound(words, queue, limit)
  local n, tasks, prefix = #words, 0, queue == 'default' and '' or queue .. ':'
  for _, priority in ipairs({'low', 'normal', 'high', 'urgent'}) do
    local list = prefix .. priority
    tasks = tasks + call('LLEN', QUEUE .. list) + (call('HGET', GROUPED, list) or 0)
  end
  local crowd = ' ' .. (call('GET', CROWD) or '')
  local _, at = string.find(crowd, ' ' .. queue .. '=', 1, true)
  local since = tonumber(at and string.match(crowd, '^%d+', at + 1) or 0)
  words[n + 1], words[n + 2], words[n + 3] = queue, limit, tasks
  words[n + 4], words[n + 5] = call('HGET', BYTES, queue) or '', since > now - 10000 and 1 or 0
end
