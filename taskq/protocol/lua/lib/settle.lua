-- settle: apply the outcomes of attempts whose fence still holds
-- USES processing queue state status task result counters awaited paused tombstones retention retained scheduled
-- USES waiters running checkpoint family signals workers
-- INCLUDE clock terminate schedule bell events leave family sequence awaited unique sidings
-- In ARGV stand first the completions, in groups: fence, TTL in ms and size of the group, then id and result for each.
-- Then come the other outcomes, five words each: id, fence, outcome, body, number; number is a TTL for an end and a delay
-- for a later run, or the time after which one that waits is woken (0: never), in ms. Everything is read, and so type-checked, before the first write: the server does not roll back.
-- one look for what is not there most of the time
local special = call('EXISTS', AWAITED, PAUSED, TOMBSTONES) > 0
local someone_waits = special and call('EXISTS', AWAITED) == 1
local LEAVE = {retry = 'retry', snooze = 'scheduled', release = 'pending', wait = 'waiting', pass = 'waiting'}
local ENDS = {fail = 'failed', cancel = 'cancelled', expire = 'cancelled'}

-- completions are settled by the batch: ids, results and TTLs in the same order, ids by TTL, and what only few have:
-- unique key, parents, families and ordering key; and permits
local completed, results, ttls, by_ttl, histories, ties, permits = {}, {}, {}, {}, {}, {}, {}
-- whether a completion may put a task that waits for it into a list
local awakening = false
-- the other outcomes: {id, run, outcome, body, number}
local going = {}
-- id -> worker that holds it; worker -> ids to take out of its list; worker -> as many ids from the head of that list
local holder_of, given_up, heads = {}, {}, {}
local released = false

local function check_completion(id, run, result, ttl)
  local n = #completed + 1
  local same = by_ttl[ttl]
  if not same then
    if not string.find(ttl, '^[1-9]%d*$') then error({err = 'ERR an end of ' .. id .. ' needs a time to keep it'}) end
    local slot = slot_of(tonumber(ttl))
    call('LLEN', RETAINED .. slot)
    -- as a moment: the server would turn a span into one, at a third of the price of the whole call
    same = {until_ms = digits(server_ms + ttl), slot = slot}
    by_ttl[ttl] = same
  end
  if someone_waits then call('SCARD', WAITERS .. id) end
  if run.held then
    awakening, permits[n] = true, run.held
    check_limits(run.held)
  end
  if run.flags ~= '-' and run.flags ~= 'l' then
    local at = #histories
    histories[at + 1], histories[at + 2], histories[at + 3] = STATE .. id, CHECKPOINT .. id, SIGNALS .. id
    ties[n] = call('HMGET', STATE .. id, 'unique', 'parents', 'families', 'sequence', 'rules')
    if check_unique(ties[n][1]) then awakening = true end
    ties[n][6] = run.started
    if ties[n][2] then
      awakening = true
      check_parents(ties[n][2])
    end
    if ties[n][4] then
      awakening = true
      check_sequence(ties[n][4])
    end
  end
  completed[n], results[n], ttls[n], same[#same + 1] = id, result, ttl, id
end

local function check_other(id, run, outcome, body, number)
  local unique = call('HGET', STATE .. id, 'unique')
  check_limits(run.held)
  if outcome == 'pass' then
    if not string.find(body, '^[%w_.-]+@%d+$') then error({err = 'ERR ' .. id .. ' was passed over without its type'}) end
    check_limits(siding_key(run.list, body))
    call('SCARD', WORKERS)
  end
  if ENDS[outcome] then
    check_end(id, ENDS[outcome], unique, number)
  elseif LEAVE[outcome] and number then
    -- what is due at once is promoted in the same call, together with all else that is due
    for _, status in ipairs({'pending', 'scheduled', 'retry', 'waiting'}) do call('SCARD', STATUS .. status) end
    call('ZCARD', SCHEDULED)
    call('LLEN', QUEUE .. run.list)
    if outcome == 'wait' then
      if string.find(body, ' ', 1, true) then call('HLEN', SIGNALS .. id) else call('HLEN', FAMILY .. body) end
    end
  else
    error({err = 'ERR the outcome ' .. outcome .. ' of ' .. id .. ' is unknown or lacks its number'})
  end
  going[#going + 1] = {id, run, outcome, body, number}
end

-- Notes who holds the task; returns what is known of its run if the fence holds.
local function hold_fast(id, fence)
  local run = not holder_of[id] and read_record(call('HGET', RUNNING, id))
  local holds = run and run.fence == fence
  if not holds then return nil end
  holder_of[id] = run.worker
  local given = given_up[run.worker] or {}
  given_up[run.worker] = given
  given[#given + 1] = id
  return run
end

local function settled()
  return #completed + #going
end

-- reads only: returns the ids whose fence no longer holds
local function check_settles(groups, others, at)
  local refused = {}
  for _ = 1, groups do
    local fence, ttl, after = ARGV[at], ARGV[at + 1], at + 3 + 2 * ARGV[at + 2]
    for i = at + 3, after - 1, 2 do
      local id = ARGV[i]
      local run = hold_fast(id, fence)
      if run then check_completion(id, run, ARGV[i + 1], ttl) else refused[#refused + 1] = id end
    end
    at = after
  end
  for i = at, at + (others - 1) * 5, 5 do
    local id, run = ARGV[i], hold_fast(ARGV[i], ARGV[i + 1])
    if run then
      check_other(id, run, ARGV[i + 2], ARGV[i + 3], tonumber(ARGV[i + 4]))
    else
      refused[#refused + 1] = id
    end
  end
  if settled() == 0 then return refused end
  for holder, given in pairs(given_up) do heads[holder] = call('LRANGE', PROCESSING .. holder, '0', digits(#given - 1)) end
  call('SCARD', STATUS .. 'running')
  call('SCARD', STATUS .. 'completed')
  call('ZCARD', RETENTION)
  call('HLEN', COUNTERS)
  return refused
end

-- What began first usually ends first, and then stands at the head of its list: one call takes all of it.
local function take_out(holder, given)
  local matching = 0
  for i, id in ipairs(heads[holder]) do
    if given[i] == id then matching = matching + 1 end
  end
  if matching == #given then return call('LTRIM', PROCESSING .. holder, digits(matching), '-1') end
  for _, id in ipairs(given) do call('LREM', PROCESSING .. holder, '1', id) end
end

local function settle_completed()
  for _, same in pairs(by_ttl) do
    for _, id in ipairs(same) do call('PEXPIREAT', TASK .. id, same.until_ms) end
    retain(same, same.slot)
  end
  for n, id in ipairs(completed) do
    call('SET', RESULT .. id, results[n], 'PXAT', by_ttl[ttls[n]].until_ms)
    if ties[n] then
      count_down(id, ties[n][2], 'completed', results[n])
      expire_families(ties[n][3], ttls[n])
    end
    if someone_waits then announce(id, results[n]) end
    emit_completed(id, holder_of[id])
    if ties[n] then
      leave_sequence(id, ties[n][4])
      release_unique(id, ties[n][1], outlives(ties[n][5], 'completed', ties[n][6]))
    end
    answer(id, permits[n], false)
    give_back(id, permits[n])
  end
  call('HDEL', RUNNING, unpack(completed))
  call('SREM', STATUS .. 'running', unpack(completed))
  call('SADD', STATUS .. 'completed', unpack(completed))
  call('HINCRBY', COUNTERS, 'completed', digits(#completed))
  if #histories > 0 then call('DEL', unpack(histories)) end
end

local function go_on(id, run, outcome, body, number)
  local hash, status, back = STATE .. id, LEAVE[outcome], outcome == 'release'
  if outcome == 'wait' then
    back = has_come(id, body)
    status = back and 'pending' or status
    call('HSET', hash, 'waits', body, 'begun', '1')
    -- the schedule may be damaged; this tells that something is missing there
    if number > 0 then call('HSET', hash, 'wakes', digits(now + number)) else call('HDEL', hash, 'wakes') end
    body = ''
  end
  call('SMOVE', STATUS .. 'running', STATUS .. status, id)
  leave_running(id, run, status, outcome == 'retry' and run.attempt or run.attempt - 1)
  if outcome == 'retry' then
    call('HINCRBY', hash, 'retries', 1)
    call('HINCRBY', COUNTERS, 'retried', 1)
  end
  if body ~= '' then call('HSET', hash, outcome == 'retry' and 'error' or 'reason', body) end
  if back then
    released = true
    call('LPUSH', QUEUE .. run.list, id)
    ring(run.list)
  elseif status ~= 'waiting' or number > 0 then
    schedule(id, now + number, run.list)
  end
  emit_status(id, status, 'running')
end

-- Its worker cannot run it, another one may. A worker whose card says that it can is not given it again and again.
local function pass(id, run, word, delay)
  local key, card = siding_key(run.list, word), siding_fields(run.worker)
  if can_take(key, card[1], card[2]) or not open_siding(key) then
    return go_on(id, run, 'snooze', 'no handler for ' .. word .. ' on ' .. run.worker, delay)
  end
  leave_running(id, run, 'waiting', run.attempt - 1)
  block(id, run.list, key, now + 60000, call('HGET', STATE .. id, 'since') or nil, 'running')
end

-- It was claimed, but has not begun: what is known of attempts stays as it was.
local function leave_unbegun(id, run)
  local started = call('HGET', STATE .. id, 'started')
  leave_running(id, run, 'cancelled', run.attempt - 1)
  if started then call('HSET', STATE .. id, 'started', started) else call('HDEL', STATE .. id, 'started') end
end

local function settle_all()
  for holder, given in pairs(given_up) do take_out(holder, given) end
  if #completed > 0 then settle_completed() end
  for _, other in ipairs(going) do
    local id, run, outcome, body, number = unpack(other)
    if outcome == 'fail' or outcome == 'retry' then answer(id, run.held, true) end
    if ENDS[outcome] then
      if outcome == 'expire' then leave_unbegun(id, run) else leave_running(id, run, ENDS[outcome], run.attempt) end
      terminate(id, ENDS[outcome], 'running', body, number)
    elseif outcome == 'pass' then
      pass(id, run, body, number)
    else
      go_on(id, run, outcome, body, number)
    end
  end
  fill_up()
end
