-- leave: the end of a run
-- USES running state
-- INCLUDE running limits
-- reads only: the permits that a run holds, nil if none; all that is touched when it gives them back
local function permits_of(id, run)
  if not string.find(run.flags, 'l', 1, true) then return nil end
  local held = call('HGET', STATE .. id, 'holds')
  check_limits(held or nil)
  return held or nil
end

-- The run is over, the task is not forgotten: what it has been through goes into its state. Whoever calls it calls fill_up
-- at the end.
local function leave_running(id, run, status, attempts)
  call('HDEL', RUNNING, id)
  if string.find(run.flags, 'l', 1, true) then
    give_back(id, call('HGET', STATE .. id, 'holds'), status == 'pending')
    call('HDEL', STATE .. id, 'holds')
  end
  call('HSET', STATE .. id, 'status', status, 'list', run.list, 'attempts', attempts, 'started', run.started)
  if status == 'pending' then call('HSET', STATE .. id, 'ready', digits(now)) end
end
