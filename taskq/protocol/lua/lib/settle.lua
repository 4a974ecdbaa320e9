-- settle: apply the outcome of one attempt, if its fence still holds
-- USES processing queue state status task result counters awaited retention retained scheduled unique waiters
-- INCLUDE clock terminate schedule bell events
-- An attempt is {id, fence, outcome, body, number}; number is a TTL for an end and a delay for a later run, in ms.
local someone_waits = call('EXISTS', AWAITED) == 1
local LEAVE = {retry = 'retry', snooze = 'scheduled', release = 'pending'}
local ENDS = {fail = 'failed', cancel = 'cancelled'}

-- ttl -> its text, for those whose list is checked; worker -> length of its list
local checked_ttls, held_by = {}, {}
local released = false

-- what every task does is checked with as few calls as can be: the sets and indexes once, by check_settles
local function check_outcome(id, state, outcome, number)
  if outcome == 'complete' and (number or 0) >= 1 then
    if someone_waits then call('SCARD', WAITERS .. id) end
    if state[5] then call('GET', UNIQUE .. state[5]) end
    if not checked_ttls[number] then
      call('LLEN', RETAINED .. slot_of(number))
      checked_ttls[number] = digits(number)  -- the server turns a number into text at twice the price
    end
  elseif ENDS[outcome] then
    check_end(id, ENDS[outcome], state[5], number)
  elseif LEAVE[outcome] and number then
    call('SCARD', STATUS .. LEAVE[outcome])
    call('ZCARD', SCHEDULED)
    call('LLEN', QUEUE .. state[3])
  else
    error({err = 'ERR the outcome ' .. outcome .. ' of ' .. id .. ' is unknown or lacks its number'})
  end
end

-- reads only: nil if the fence no longer holds
local function held(id, fence, outcome, number)
  local state = call('HMGET', STATE .. id, 'fence', 'worker', 'list', 'attempts', 'unique')
  if state[1] ~= fence then return nil end
  if not held_by[state[2]] then held_by[state[2]] = call('LLEN', PROCESSING .. state[2]) end
  check_outcome(id, state, outcome, number)
  return state
end

-- reads only: the attempts whose fence holds, and the ids of the others; ARGV has five words for each from at on
local function check_settles(count, at)
  local attempts, refused, seen = {}, {}, {}
  for i = at, at + (count - 1) * 5, 5 do
    local id, outcome, number = ARGV[i], ARGV[i + 2], tonumber(ARGV[i + 4])
    local state = not seen[id] and held(id, ARGV[i + 1], outcome, number)
    if state then
      seen[id] = true
      attempts[#attempts + 1] = {id, state, outcome, ARGV[i + 3], number}
    else
      refused[#refused + 1] = id
    end
  end
  if #attempts > 0 then
    call('SCARD', STATUS .. 'running')
    call('SCARD', STATUS .. 'completed')
    call('ZCARD', RETENTION)
    call('HLEN', COUNTERS)
  end
  return attempts, refused
end

local function go_on(id, state, outcome, body, number)
  local hash, list, status = STATE .. id, state[3], LEAVE[outcome]
  call('SMOVE', STATUS .. 'running', STATUS .. status, id)
  call('HDEL', hash, 'fence', 'worker', 'cancel')
  if outcome == 'retry' then
    call('HINCRBY', hash, 'retries', 1)
    call('HINCRBY', COUNTERS, 'retried', 1)
  else
    call('HINCRBY', hash, 'attempts', -1)
  end
  call('HSET', hash, 'status', status)
  if body ~= '' then call('HSET', hash, outcome == 'retry' and 'error' or 'reason', body) end
  if outcome == 'release' then
    released = true
    call('LPUSH', QUEUE .. list, id)
    ring(list)
  else
    schedule(id, now + number, list)
  end
  emit_status(id, status, 'running')
end

-- the common end, written out because every task takes it: one call per key, sets and counters by the batch
local completed, ttls = {}, {}
local function complete(id, state, body, ttl)
  call('SET', RESULT .. id, body, 'PX', checked_ttls[ttl])
  call('PEXPIRE', TASK .. id, checked_ttls[ttl])
  if state[5] then release_unique(id, state[5]) end
  if someone_waits then announce(id, body) end
  completed[#completed + 1] = id
  local same = ttls[ttl] or {}
  ttls[ttl] = same
  same[#same + 1] = id
  if listening then
    emit_status(id, 'completed', 'running')
    emit('task.completed', 'task_id', id, 'status', 'completed', 'worker_id', state[2])
  end
end

local function settle(id, state, outcome, body, number)
  call('LREM', PROCESSING .. state[2], '1', id)
  if outcome == 'complete' then
    complete(id, state, body, number)
  elseif ENDS[outcome] then
    terminate(id, ENDS[outcome], 'running', body, number)
  else
    go_on(id, state, outcome, body, number)
  end
end

local function settle_completed()
  if #completed == 0 then return end
  local states = {}
  for i, id in ipairs(completed) do states[i] = STATE .. id end
  call('DEL', unpack(states))
  call('SREM', STATUS .. 'running', unpack(completed))
  call('SADD', STATUS .. 'completed', unpack(completed))
  call('HINCRBY', COUNTERS, 'completed', #completed)
  for ttl, ids in pairs(ttls) do retain(ids, ttl) end
end
