-- bounds: what a submit does whose queue holds as much in its lists as it may
-- USES bounds queue status tombstones state counters crowd awaited bytes weights grouped
-- INCLUDE clock text terminate bell weights groups
local RISING = {'low', 'normal', 'high', 'urgent'}
-- tasks that one submit takes out of lists, and how many of them are looked at together
local MOST_SHED, SHED_PAGE = 1000, 50
-- what is taken out of its list: {list, id, whether it is a task that waits, how long its end is kept, its group}; queues with
-- room left
local shed, roomy = {}, {}

-- reads only: plans to take so many tasks, and so many bytes, from the tails of the lists below a rank; returns how many there
-- are of both, or nothing if the caller has no right to read them
local function plan_shed(prefix, rank, tasks, bytes, keep)
  local planned, lighter = 0, 0
  local function enough() return planned >= tasks and lighter >= bytes or planned == MOST_SHED end
  local function plan(list, id, group)
    local waits = call('SISMEMBER', TOMBSTONES, id) == 0 and call('SISMEMBER', STATUS .. 'pending', id) == 1
    if waits then check_end(id, 'cancelled', call('HGET', STATE .. id, 'unique') or nil, keep) end
    shed[#shed + 1] = {list, id, waits, keep, group}
    planned = planned + 1
    local weight = waits and bytes > 0 and call('HGET', WEIGHTS, id)
    lighter = lighter + (weight and tonumber(string.match(weight, '^%d+')) or 0)
  end
  -- calls what with each entry from the tail on; returns nothing if the key must not be read
  local function walk_back(key, what)
    local from, length = 0, call('LLEN', key)
    while from < length and not enough() do
      local found = redis.pcall('LRANGE', key, -from - SHED_PAGE, -from - 1)
      -- it is a list, its length was read
      if found.err then return nil end
      for n = #found, 1, -1 do
        if not enough() then what(found[n]) end
      end
      from = from + SHED_PAGE
    end
    return true
  end
  for below = 1, rank - 1 do
    local list = prefix .. RISING[below]
    local allowed = walk_back(QUEUE .. list, function(entry)
      local group = string.match(entry, '^@(.*)')
      if not group then return plan(list, entry) end
      walk_back(group_key(list, group), function(id) plan(list, id, group) end)
    end)
    if not allowed then return nil end
  end
  return planned, lighter
end

-- who waits for room in which queue, and since when at the latest: '<queue>=<ms> ...' of the last ten seconds
local function join_crowd(queue)
  local words = {queue .. '=' .. digits(now)}
  for other, at in string.gmatch(call('GET', CROWD) or '', '([^ =]+)=(%d+)') do
    if other ~= queue and tonumber(at) > now - 10000 then words[#words + 1] = other .. '=' .. at end
  end
  call('SET', CROWD, table.concat(words, ' '), 'PX', '10000')
end

-- wanted and sizes: list -> how many come, and their bytes. Returns nil if there is room for all, or is to be made; else
-- {queue, what its lists hold, most, what to do, how long to wait, 'tasks' or 'bytes', how much comes}. Reads only, but for
-- the word that somebody waits.
local function check_bounds(wanted, sizes)
  local queues = {}
  for list, count in pairs(wanted) do
    local queue = string.match(list, '^(.*):') or 'default'
    local new = queues[queue] or {tasks = 0, bytes = 0, rank = 4}
    queues[queue], new.tasks, new.bytes = new, new.tasks + count, new.bytes + (sizes[list] or 0)
    for rank, priority in ipairs(RISING) do
      if string.match(list, '[^:]*$') == priority then new.rank = math.min(new.rank, rank) end
    end
  end
  for queue, new in pairs(queues) do
    local most_tasks, on_full, timeout, keep, most_bytes =
      string.match(call('HGET', BOUNDS, queue) or '', '^(%d+) (%S+) (%d+) (%d+) ?(%d*)$')
    local prefix, have = queue == 'default' and '' or queue .. ':', {tasks = 0, bytes = 0}
    local most, excess, full = {tasks = tonumber(most_tasks or 0), bytes = tonumber(most_bytes or '') or 0}, {}, nil
    if most.tasks > 0 then
      for _, priority in ipairs(RISING) do have.tasks = have.tasks + waiting_in(prefix .. priority) end
    end
    if most.bytes > 0 then have.bytes = tonumber(call('HGET', BYTES, queue) or 0) end
    -- what never fits is said first: it must not wait
    for _, unit in ipairs({'bytes', 'tasks'}) do
      excess[unit] = most[unit] > 0 and have[unit] + new[unit] - most[unit] or 0
      if excess[unit] > 0 and (not full or new[unit] > most[unit]) then full = unit end
    end
    if most_tasks and not full and (most.tasks == 0 or excess.tasks < 0) and (most.bytes == 0 or excess.bytes < 0) then
      roomy[#roomy + 1] = queue
    end
    if full and on_full == 'shed_low' and new[full] <= most[full] then
      local planned, lighter = plan_shed(prefix, new.rank, excess.tasks, excess.bytes, tonumber(keep))
      if not planned then return {queue, have[full], most[full], 'denied', 0, full, new[full]} end
      full = excess.bytes > lighter and 'bytes' or excess.tasks > planned and 'tasks' or nil
    end
    if full then
      if on_full == 'block' and new[full] <= most[full] then
        join_crowd(queue)
        if call('PTTL', AWAITED) < 10000 then call('SET', AWAITED, '1', 'PX', '10000') end
      end
      return {queue, have[full], most[full], on_full, tonumber(timeout), full, new[full]}
    end
  end
end

local function leave_tail(list, id, group)
  if not group then return call('LREM', QUEUE .. list, '-1', id) end
  call('LREM', group_key(list, group), '-1', id)
  if call('EXISTS', group_key(list, group)) == 1 then return call('HINCRBY', GROUPED, list, '-1') end
  call('LREM', QUEUE .. list, '-1', '@' .. group)
end

local function make_room()
  for _, entry in ipairs(shed) do
    local list, id, waits, keep, group = unpack(entry, 1, 5)
    -- from the tail, where it was; the end of another may have put somebody behind it
    leave_tail(list, id, group)
    -- it may be one that was replaced just now
    if waits and call('SISMEMBER', STATUS .. 'pending', id) == 1 then
      terminate(id, 'cancelled', 'pending', gone_json(id, 'shed: its queue was full, and a more urgent task came'), keep)
      call('HSET', STATE .. id, 'reason', 'shed')
      call('HINCRBY', COUNTERS, 'shed', '1')
      emit('task.shed', 'task_id', id, 'list', list)
    else
      call('SREM', TOMBSTONES, id)
    end
  end
end

-- the new ones that were to come after one that is gone now in a sequence: nobody else would start them. For the key of one
-- that was shed nobody waits: it had not begun.
local function start_orphans(fresh)
  for _, task in ipairs(fresh) do
    if task.behind and task.key ~= '' then start_first(task.key) end
  end
end

-- one hint wakes one who waits; whoever got in wakes the next while there is room
local function pass_on()
  for _, queue in ipairs(roomy) do
    if call('EXISTS', CROWD) == 1 then ring('@room:' .. queue) end
  end
end
