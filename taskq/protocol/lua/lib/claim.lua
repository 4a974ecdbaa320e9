-- claim: the claiming half of a turn
-- USES queue processing task state status meta paused tombstones counters running large checkpoint signals sagas limited blocked
-- USES jams group grouped
-- INCLUDE clock text events settle leave family bodies sequence limits counted turns weights noted
-- Nearly all tasks are new: they have no state and move together. All that such a claim needs is read before the turn
-- writes anything. If anything is unusual (a task with a history or a limit, a tombstone, something due or handed back),
-- the lists are walked after the settles instead, one task after the other.
local sidings, pauses, tombs
local try = pcall

local function is_paused(list)
  return pauses and (call('SISMEMBER', PAUSED, list) == 1 or call('SISMEMBER', PAUSED, '*') == 1)
end

local function prefixed(prefix, ids)
  local keys = {}
  for i, id in ipairs(ids) do keys[i] = prefix .. id end
  return keys
end

-- reads only: whether anything waits that other workers have passed over
local function look_behind()
  local found = false
  check_limits(sidings)
  for key in string.gmatch(sidings or '', '[^ ]+') do found = found or call('EXISTS', BLOCKED .. key) == 1 end
  return found
end

-- The first of those come to the head of their list, where this turn finds them: they have waited there before.
local function bring_in(list, most)
  local from = '@' .. list .. '/'
  for key in string.gmatch(sidings or '', '[^ ]+') do
    local ids = string.sub(key, 1, #from) == from and most > 0 and call('ZRANGE', BLOCKED .. key, '0', most - 1) or {}
    for i = #ids, 1, -1 do back_to_its_list(ids[i], key) end
    most = most - #ids
    if call('EXISTS', BLOCKED .. key) == 0 then call('ZREM', JAMS, key) end
  end
end

-- reads only: the heads of the lists, as many as are wanted: ids, bodies, numbers per list, and whether all is usual
local function look_for_claims(due, solo)
  local ids, taken, count = {}, {}, 0
  fetched = 0
  pauses = special and call('SCARD', PAUSED) > 0
  tombs = special and call('SCARD', TOMBSTONES) > 0
  for i = 1, lists do
    local list = ARGV[first_rest + i - 1]
    taken[i] = 0
    if count < want and not is_paused(list) then
      local found = call('LRANGE', QUEUE .. list, '0', digits(want - count - 1))
      taken[i] = #found
      for _, entry in ipairs(found) do
        if string.byte(entry) == 64 then call('LLEN', GROUP .. list .. '/' .. string.sub(entry, 2)) end
      end
      if count == 0 then ids = found else for n, id in ipairs(found) do ids[count + n] = id end end
      count = count + #found
    end
  end
  local plain, bodies, fit = not look_behind() and not tombs and not solo and due ~= 0 and #going == 0 and not awakening, {}, 0
  local last, large = want > 0 and call('HGET', META, 'fence') or 0, want > 0 and call('EXISTS', LARGE) == 1
  limited = want > 0 and call('GET', LIMITED)
  if count > 0 then
    bodies, fit = fetch(prefixed(TASK, ids), large)
    clip(ids, taken, fit)
    plain = plain and call('EXISTS', unpack(prefixed(STATE, ids))) == 0
    local seen = {}
    for i, pending in ipairs(call('SMISMEMBER', STATUS .. 'pending', unpack(ids))) do
      if pending == 0 or not bodies[i] or seen[ids[i]] or counted_by(ids[i], bodies[i]) then plain = false end
      seen[ids[i]] = true
    end
  end
  if not plain then
    for i = 1, lists do call('LLEN', QUEUE .. ARGV[first_rest + i - 1]) end
    call('SCARD', STATUS .. 'pending')
    call('HLEN', COUNTERS)
    call('HLEN', GROUPED)
  end
  if want > 0 and settled() == 0 then
    call('HLEN', RUNNING)
    call('SCARD', STATUS .. 'running')
  end
  call('LLEN', PROCESSING .. worker)
  return {ids = ids, bodies = bodies, taken = taken, plain = plain, solo = solo, large = large, cut = fit < count,
    fence = math.max(now_us, last + 1)}
end

-- fields for the hash of what runs: the same record for all ids of one list
local function record_of(claims, list, attempt, flags)
  return claims.word .. worker .. ' ' .. list .. ' ' .. attempt .. ' ' .. digits(now) .. ' ' .. flags
end

local function take_together(claims, taken)
  local records, count = {}, 0
  for i = 1, lists do
    if taken[i] > 0 then
      local list = ARGV[first_rest + i - 1]
      local from, record = QUEUE .. list, record_of(claims, list, '1', '-')
      for _ = 1, taken[i] do
        call('LMOVE', from, PROCESSING .. worker, 'LEFT', 'RIGHT')
        count = count + 1
        records[2 * count - 1], records[2 * count] = claims.ids[count], record
      end
    end
  end
  return records
end

local function state_of(id)
  local state = redis.pcall('HMGET', STATE .. id, 'attempts', 'crashes', 'retries', 'status', 'unique', 'since', 'leads', 'begun')
  if not state.err then return state end
  -- not ours, and too late to stop: without it the task is as good as new
  call('DEL', STATE .. id)
  return {}
end

-- a task without a body cannot run: somebody else has deleted it
local function drop_lost(list, entry, id)
  leave_line(list, entry, id)
  call('SREM', STATUS .. 'pending', id)
  unweigh({id})
  call('HINCRBY', COUNTERS, 'lost_bodies', 1)
  local ties = redis.pcall('HMGET', STATE .. id, 'unique', 'parents', 'families', 'sequence')
  if try(check_unique, ties[1]) then release_unique(id, ties[1], 0) end
  -- too late to stop for a foreign key
  if try(check_parents, ties[2]) then count_down(id, ties[2], 'lost', gone_json(id, 'its envelope was lost')) end
  expire_families(ties[3], 0)
  if try(check_sequence, ties[4]) then leave_sequence(id, ties[4]) end
  call('DEL', STATE .. id, CHECKPOINT .. id, SIGNALS .. id)
  redis.pcall('ZREM', SAGAS, id)
end

-- Whoever was running when a worker died twice is a suspect and runs alone from then on, so that the one that kills
-- its worker reaches its limit without taking its neighbours along.
local function take_one(claims, records, list, entry, id, body)
  local state = state_of(id)
  local suspicious = (tonumber(state[2]) or 0) >= 2
  if suspicious and call('EXISTS', PROCESSING .. worker) == 1 then
    claims.hold = true
    return
  end
  local attempt, flags = (tonumber(state[1]) or 0) + 1, (state[4] or state[5]) and 'h' or '-'
  local keys = counted_by(id, body)
  -- a limit that a foreign hand has damaged holds nobody up
  if keys and try(check_limits, keys) then
    local full, again = admit(id, keys)
    if full then
      leave_line(list, entry, id)
      return block(id, list, full, again, state[6])
    end
    -- which are held, and tell so in its record
    if again then flags = again .. (flags == 'h' and ' hl' or ' l') end
  end
  if state[4] or state[5] then call('HSET', STATE .. id, 'status', 'running') end
  leave_line(list, entry, id)
  call('RPUSH', PROCESSING .. worker, id)
  local n = #claims.ids + 1
  claims.ids[n], claims.bodies[n], claims.has[id] = id, body, true
  claims.counts[2 * n - 1], claims.counts[2 * n] = attempt, retries_of(state[3], state[8])
  records[2 * n - 1], records[2 * n] = id, record_of(claims, list, digits(attempt), flags)
  if state[7] then
    call('HDEL', STATE .. id, 'leads')
    claims.followed[#claims.followed + 1] = state[7]
  end
  if suspicious then claims.solo, claims.hold = id, true end
end

-- Returns how many entries of a list were looked at.
local function walk(claims, records, list, limit)
  local found = call('LRANGE', QUEUE .. list, '0', digits(limit - 1))
  if #found == 0 then return 0 end
  local ids, cleared = {}, {}
  for i, entry in ipairs(found) do ids[i], cleared[i] = first_of(list, entry, tombs) end
  local bodies, fit = fetch(prefixed(TASK, ids), claims.large)
  claims.cut = fit < #found
  for i = 1, fit do
    local id, entry = ids[i], found[i]
    if cleared[i] or tombs and call('SREM', TOMBSTONES, id) == 1 then
      leave_line(list, entry, id)
    elseif call('SISMEMBER', STATUS .. 'pending', id) == 0 or claims.has[id] then
      leave_line(list, entry, id)
      call('HINCRBY', COUNTERS, 'strays', 1)
    elseif not bodies[i] then
      drop_lost(list, entry, id)
      -- whom it has woken stands at the head now
      return i
    else
      take_one(claims, records, list, entry, id, bodies[i])
      if claims.hold then break end
    end
  end
  return fit
end

local function take_one_by_one(claims)
  local records, scans = {}, want + 100
  fetched = 0
  if claims.solo and call('EXISTS', PROCESSING .. worker) == 1 then claims.hold = true else claims.solo = nil end
  for i = 1, lists do
    local list, found = ARGV[first_rest + i - 1], 1
    if not claims.hold and not claims.cut and not is_paused(list) then bring_in(list, want - #claims.ids) end
    while found > 0 and not claims.hold and not claims.cut and #claims.ids < want and scans > 0 and not is_paused(list) do
      found = walk(claims, records, list, math.min(want - #claims.ids, scans))
      scans = scans - found
      -- whatever is not held back has left its list, claimed or not
      claims.lighter = claims.lighter or found > 0 and not claims.hold
    end
  end
  return records
end

local function claim(candidates)
  local first = digits(candidates.fence)
  local claims = {first = first, word = first .. '.' .. token .. '.' .. digits(seq) .. ' ', ids = candidates.ids,
    bodies = candidates.bodies, has = {}, counts = {}, followed = {}, hold = false, solo = candidates.solo,
    large = candidates.large, cut = candidates.plain and candidates.cut}
  local records
  if candidates.plain then
    records = take_together(claims, candidates.taken)
  else
    claims.ids, claims.bodies = {}, {}
    records = take_one_by_one(claims)
  end
  local ids = claims.ids
  if #ids == 0 then return claims end
  call('HSET', RUNNING, unpack(records))
  call('SREM', STATUS .. 'pending', unpack(ids))
  unweigh(ids)
  call('SADD', STATUS .. 'running', unpack(ids))
  call('HSET', META, 'fence', digits(candidates.fence + #ids - 1))
  for _, id in ipairs(listening and ids or {}) do emit_status(id, 'running', 'pending') end
  -- the last of a portion that went back to its list is on its way: the next ones may come
  for _, key in ipairs(claims.followed) do
    if try(check_limits, key) and call('EXISTS', BLOCKED .. key) == 1 then unblock(key, MOST) end
  end
  return claims
end
