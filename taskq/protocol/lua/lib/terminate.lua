-- terminate: end a task: result, expiry, status set, unique key, waiting clients
-- USES task state result status dead counters waiters reply retained retention checkpoint signals
-- INCLUDE clock retention events family sequence unique weights
-- The caller has taken the id out of the place it was in, and has called check_end before its first write.
local function announce(id, result)
  local waiters = call('SMEMBERS', WAITERS .. id)
  for _, waiter in ipairs(waiters) do
    if type(redis.pcall('RPUSH', REPLY .. waiter, id .. ' ' .. result)) == 'number' then
      call('PEXPIRE', REPLY .. waiter, 60000)
    end
  end
  if #waiters > 0 then call('DEL', WAITERS .. id) end
end

-- reads only: all that an end touches and that is not the caller's own
local function check_end(id, status, unique, ttl)
  if not ttl or ttl < 1 then error({err = 'ERR an end of ' .. id .. ' needs a time to keep it'}) end
  call('SCARD', STATUS .. status)
  call('SCARD', WAITERS .. id)
  call('ZCARD', RETENTION)
  call('LLEN', RETAINED .. slot_of(ttl))
  call('ZCARD', DEAD)
  call('HLEN', COUNTERS)
  check_unique(unique)
  local ties = call('HMGET', STATE .. id, 'parents', 'sequence')
  check_parents(ties[1])
  check_sequence(ties[2])
end

-- of a running one, leave_running comes first
local function terminate(id, status, from, result, ttl)
  call('SET', RESULT .. id, result, 'PX', ttl)
  call('PEXPIRE', TASK .. id, ttl)
  local state = STATE .. id
  local ties = call('HMGET', state, 'unique', 'parents', 'families', 'sequence', 'status', 'rules', 'started', 'succeeds')
  if ties[5] then
    -- what was to be kept as long as the task
    for _, key in ipairs({CHECKPOINT .. id, SIGNALS .. id}) do call('PEXPIRE', key, ttl, 'LT') end
  end
  call('HSET', state, 'status', status, 'ended', digits(now))
  call('PEXPIRE', state, ttl)
  call('SMOVE', STATUS .. from, STATUS .. status, id)
  if from == 'pending' then unweigh({id}) end
  retain({id}, slot_of(ttl))
  if status == 'failed' then call('ZADD', DEAD, now, id) end
  call('HINCRBY', COUNTERS, status, 1)
  count_down(id, ties[2], status, result)
  expire_families(ties[3], ttl)
  announce(id, result)
  emit_status(id, status, from)
  emit('task.' .. status, 'task_id', id, 'status', status)
  leave_sequence(id, ties[4])
  release_unique(id, ties[1], outlives(ties[6], status, ties[7]))
  leave_succession(id, ties[8])
end
