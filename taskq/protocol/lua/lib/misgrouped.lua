-- misgrouped: whether a list and its groups agree, see lib/groups
-- USES queue group grouped
-- '<list>/<group key>' -> how many entries stand for the group in its list, and how many should
local function entries_of(name)
  local list, group = string.match(name, '^(.*)/(.*)$')
  return #call('LPOS', QUEUE .. list, '@' .. group, 'COUNT', '100'), call('EXISTS', GROUP .. name)
end

-- how many tasks of a list are said to have no entry of their own, and how many have none; of a list with more than 10,000
-- entries nothing is known
local function count_grouped(list)
  local noted, counted = tonumber(call('HGET', GROUPED, list) or 0), 0
  if call('LLEN', QUEUE .. list) > 10000 then return noted, noted end
  for _, entry in ipairs(call('LRANGE', QUEUE .. list, '0', '-1')) do
    local group = string.match(entry, '^@(.*)')
    if group then counted = counted + math.max(0, call('LLEN', GROUP .. list .. '/' .. group) - 1) end
  end
  return noted, counted
end
