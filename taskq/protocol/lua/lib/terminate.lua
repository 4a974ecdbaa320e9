-- terminate: end a task: result, expiry, status set, unique key, waiting clients
-- USES task state result status dead counters unique waiters reply
-- INCLUDE clock retention events
-- The caller has taken the id out of the place it was in.
local function announce(id, result)
  local waiters = call('SMEMBERS', WAITERS .. id)
  for _, waiter in ipairs(waiters) do
    call('RPUSH', REPLY .. waiter, id .. ' ' .. result)
    call('PEXPIRE', REPLY .. waiter, 60000)
  end
  if #waiters > 0 then call('DEL', WAITERS .. id) end
end

local function release_unique(id, unique)
  if unique and call('GET', UNIQUE .. unique) == id then call('DEL', UNIQUE .. unique) end
end

local function terminate(id, status, from, result, ttl)
  call('SET', RESULT .. id, result, 'PX', ttl)
  call('PEXPIRE', TASK .. id, ttl)
  local state = STATE .. id
  release_unique(id, call('HGET', state, 'unique'))
  call('HSET', state, 'status', status, 'ended', digits(now))
  call('HDEL', state, 'fence', 'worker', 'cancel', 'unique')
  call('PEXPIRE', state, ttl)
  call('SMOVE', STATUS .. from, STATUS .. status, id)
  retain({id}, ttl)
  if status == 'failed' then call('ZADD', DEAD, now, id) end
  call('HINCRBY', COUNTERS, status, 1)
  announce(id, result)
  emit_status(id, status, from)
  emit('task.' .. status, 'task_id', id, 'status', status)
end
