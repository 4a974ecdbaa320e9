-- evict: take the tasks away from one worker, newest first, to the heads of their lists
-- USES processing state status queue worker workers leases counters
-- INCLUDE clock text bell terminate events
-- charge 1: the worker died, each task counts a crash, and one over the limit is a dead letter; 0: handed back.
-- Returns how many were requeued, how many died, and whether the worker is gone.
local function poison(id, state, crashes, dead_ttl)
  local attempts = tonumber(state[4]) or 0
  terminate(id, 'failed', 'running', '{"task_id":"' .. id .. '","status":"failed","result":null,"error":"poison: '
    .. digits(crashes) .. ' workers died while they ran this task","duration":null,"worker_id":"' .. state[2]
    .. '","attempts":' .. digits(attempts) .. ',"completed_at":"' .. iso(now) .. '"}', dead_ttl)
  call('HSET', STATE .. id, 'reason', 'poison')
end

-- reads only: the newest that a worker holds, up to limit
local function held_by(worker, charge, limit, max_crashes, dead_ttl)
  local ids, states = call('LRANGE', PROCESSING .. worker, -limit, -1), {}
  for i, id in ipairs(ids) do
    local state = call('HMGET', STATE .. id, 'status', 'worker', 'list', 'attempts', 'crashes', 'unique')
    states[i] = state
    if state[3] then call('LLEN', QUEUE .. state[3]) end
    if charge == 1 and (tonumber(state[5]) or 0) + 1 >= max_crashes then check_end(id, 'failed', state[6], dead_ttl) end
  end
  call('SCARD', STATUS .. 'running')
  call('SCARD', STATUS .. 'pending')
  call('HLEN', COUNTERS)
  call('ZCARD', LEASES)
  call('SCARD', WORKERS)
  return {worker = worker, ids = ids, states = states}
end

local function evict(held_tasks, charge, max_crashes, dead_ttl)
  local worker, ids, states = held_tasks.worker, held_tasks.ids, held_tasks.states
  local held = PROCESSING .. worker
  -- without its card the worker can neither beat nor take a turn, whoever is still sending in its name
  call('DEL', WORKER .. worker)
  local requeued, died = 0, 0
  for i = #ids, 1, -1 do
    local id, state = ids[i], states[i]
    call('RPOP', held)
    if state[1] == 'running' and state[2] == worker then
      local crashes = (tonumber(state[5]) or 0) + charge
      if charge == 1 then call('HSET', STATE .. id, 'crashes', crashes) end
      if charge == 1 and crashes >= max_crashes then
        poison(id, state, crashes, dead_ttl)
        died = died + 1
      else
        call('HDEL', STATE .. id, 'fence', 'worker', 'cancel')
        call('HSET', STATE .. id, 'status', 'pending')
        if charge == 0 then call('HINCRBY', STATE .. id, 'attempts', -1) end
        call('SMOVE', STATUS .. 'running', STATUS .. 'pending', id)
        call('LPUSH', QUEUE .. state[3], id)
        ring(state[3])
        emit_status(id, 'pending', 'running')
        requeued = requeued + 1
      end
    end
  end
  if requeued + died > 0 and charge == 1 then call('HINCRBY', COUNTERS, 'recovered', requeued + died) end
  local gone = call('LLEN', held) == 0
  if gone then
    call('ZREM', LEASES, worker)
    call('SREM', WORKERS, worker)
    emit(charge == 1 and 'worker.lost' or 'worker.stopped', 'worker_id', worker)
  end
  return requeued, died, gone
end
