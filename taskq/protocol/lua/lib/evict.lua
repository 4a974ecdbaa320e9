-- evict: take the tasks away from one worker, newest first, to the heads of their lists
-- USES processing state status queue worker workers leases counters running
-- INCLUDE clock text bell terminate events leave
-- charge 1: the worker died, each task counts a crash, and one over the limit is a dead letter; 0: handed back.
-- Returns how many were requeued, how many died, and whether the worker is gone.
local function poison(id, run, crashes, dead_ttl)
  leave_running(id, run, 'failed', run.attempt)
  terminate(id, 'failed', 'running', '{"task_id":"' .. id .. '","status":"failed","result":null,"error":"poison: '
    .. digits(crashes) .. ' workers died while they ran this task","duration":null,"worker_id":"' .. run.worker
    .. '","attempts":' .. digits(run.attempt) .. ',"completed_at":"' .. iso(now) .. '"}', dead_ttl)
  call('HSET', STATE .. id, 'reason', 'poison')
end

-- reads only: the newest that a worker holds, up to limit
local function held_by(worker, charge, limit, max_crashes, dead_ttl)
  local ids, runs, crashes = call('LRANGE', PROCESSING .. worker, -limit, -1), {}, {}
  local records = #ids > 0 and call('HMGET', RUNNING, unpack(ids)) or {}
  for i, id in ipairs(ids) do
    local run, state = read_record(records[i]), call('HMGET', STATE .. id, 'crashes', 'unique')
    runs[i], crashes[i] = run or {}, (tonumber(state[1]) or 0) + charge
    if run then
      call('LLEN', QUEUE .. run.list)
      check_limits(run.held)
    end
    if charge == 1 and crashes[i] >= max_crashes then check_end(id, 'failed', state[2], dead_ttl) end
  end
  call('SCARD', STATUS .. 'running')
  call('SCARD', STATUS .. 'pending')
  call('HLEN', COUNTERS)
  call('ZCARD', LEASES)
  call('SCARD', WORKERS)
  return {worker = worker, ids = ids, runs = runs, crashes = crashes}
end

local function evict(held_tasks, charge, max_crashes, dead_ttl)
  local worker, ids = held_tasks.worker, held_tasks.ids
  local held = PROCESSING .. worker
  -- without its card the worker can neither beat nor take a turn, whoever is still sending in its name
  call('DEL', WORKER .. worker)
  local requeued, died = 0, 0
  for i = #ids, 1, -1 do
    local id, run, crashes = ids[i], held_tasks.runs[i], held_tasks.crashes[i]
    call('RPOP', held)
    if run.worker == worker then
      if charge == 1 and crashes >= max_crashes then
        poison(id, run, crashes, dead_ttl)
        died = died + 1
      else
        leave_running(id, run, 'pending', run.attempt - 1 + charge)
        call('SMOVE', STATUS .. 'running', STATUS .. 'pending', id)
        call('LPUSH', QUEUE .. run.list, id)
        ring(run.list)
        emit_status(id, 'pending', 'running')
        requeued = requeued + 1
      end
      if charge == 1 then call('HSET', STATE .. id, 'crashes', crashes) end
    end
  end
  fill_up()
  if requeued + died > 0 and charge == 1 then call('HINCRBY', COUNTERS, 'recovered', requeued + died) end
  local gone = call('LLEN', held) == 0
  if gone then
    call('ZREM', LEASES, worker)
    call('SREM', WORKERS, worker)
    emit(charge == 1 and 'worker.lost' or 'worker.stopped', 'worker_id', worker)
  end
  return requeued, died, gone
end
