-- settle: apply the outcome of one attempt, if its fence still holds
-- USES processing queue state status task result counters awaited
-- INCLUDE clock terminate schedule bell events
-- An attempt is {id, fence, outcome, body, number}; number is a TTL for an end and a delay for a later run, in ms.
local someone_waits = call('EXISTS', AWAITED) == 1
local LEAVE = {retry = 'retry', snooze = 'scheduled', release = 'pending'}
local ENDS = {fail = 'failed', cancel = 'cancelled'}

-- reads only: nil if the fence no longer holds
local function held(id, fence)
  local state = call('HMGET', STATE .. id, 'fence', 'worker', 'list', 'attempts', 'unique')
  if state[1] ~= fence then return nil end
  call('LLEN', PROCESSING .. state[2])
  call('LLEN', QUEUE .. state[3])
  return state
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
  call('SET', RESULT .. id, body, 'PX', ttl)
  call('PEXPIRE', TASK .. id, ttl)
  call('DEL', STATE .. id)
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
  call('LREM', PROCESSING .. state[2], 1, id)
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
  call('SREM', STATUS .. 'running', unpack(completed))
  call('SADD', STATUS .. 'completed', unpack(completed))
  call('HINCRBY', COUNTERS, 'completed', #completed)
  for ttl, ids in pairs(ttls) do retain(ids, ttl) end
end
