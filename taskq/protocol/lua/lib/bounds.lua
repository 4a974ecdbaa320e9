-- bounds: what a submit does whose queue holds as many tasks in its lists as it may
-- USES bounds queue status tombstones state counters crowd awaited grouped
-- INCLUDE terminate bell groups
local RISING = {'low', 'normal', 'high', 'urgent'}
-- what is taken out of its list: {list, id, whether it is a task that waits, how long its end is kept, its group}; queues with
-- room left
local shed, roomy = {}, {}

-- reads only: plans to take so many from the tails of the lists below a rank; returns how many there are, or nothing if the
-- caller has no right to read them
local function plan_shed(prefix, rank, wanted, keep)
  local planned = 0
  for below = 1, rank - 1 do
    local list = prefix .. RISING[below]
    local found = wanted > planned and redis.pcall('LRANGE', QUEUE .. list, planned - wanted, '-1') or {}
    -- it is a list, its length was read
    if found.err then return nil end
    for n = #found, 1, -1 do
      if planned == wanted then break end
      local group = string.match(found[n], '^@(.*)')
      local ids = group and call('LRANGE', group_key(list, group), planned - wanted, '-1') or {found[n]}
      for i = #ids, math.max(1, #ids - (wanted - planned) + 1), -1 do
        local id = ids[i]
        local waits = call('SISMEMBER', TOMBSTONES, id) == 0 and call('SISMEMBER', STATUS .. 'pending', id) == 1
        if waits then check_end(id, 'cancelled', call('HGET', STATE .. id, 'unique') or nil, keep) end
        shed[#shed + 1] = {list, id, waits, keep, group}
        planned = planned + 1
      end
    end
  end
  return planned
end

-- wanted: list -> how many come. Returns nil if there is room for all, or is to be made; else {queue, tasks in its lists, most,
-- what to do, how long to wait}. Reads only, but for the word that somebody waits.
local function check_bounds(wanted)
  local queues = {}
  for list, count in pairs(wanted) do
    local queue = string.match(list, '^(.*):') or 'default'
    local new = queues[queue] or {count = 0, rank = 4}
    queues[queue], new.count = new, new.count + count
    for rank, priority in ipairs(RISING) do
      if string.match(list, '[^:]*$') == priority then new.rank = math.min(new.rank, rank) end
    end
  end
  for queue, new in pairs(queues) do
    local most, on_full, timeout, keep = string.match(call('HGET', BOUNDS, queue) or '', '^(%d+) (%S+) (%d+) (%d+)$')
    if most then
      local prefix, have = queue == 'default' and '' or queue .. ':', 0
      for _, priority in ipairs(RISING) do have = have + waiting_in(prefix .. priority) end
      local excess = have + new.count - most
      if excess < 0 then roomy[#roomy + 1] = queue end
      if excess > 0 and on_full == 'shed_low' then
        local planned = plan_shed(prefix, new.rank, excess, tonumber(keep))
        if not planned then return {queue, have, tonumber(most), 'denied', 0} end
        excess = excess - planned
      end
      if excess > 0 then
        if on_full == 'block' then
          call('SET', CROWD, '1', 'PX', '10000')
          if call('PTTL', AWAITED) < 10000 then call('SET', AWAITED, '1', 'PX', '10000') end
        end
        return {queue, have, tonumber(most), on_full, tonumber(timeout)}
      end
    end
  end
end

local function leave_tail(list, id, group)
  if not group then return call('LREM', QUEUE .. list, '-1', id) end
  if call('LREM', group_key(list, group), '-1', id) == 0 then return end
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
