-- leave: the end of a run
-- USES running state
-- INCLUDE running limits weights
-- The run is over, the task is not forgotten: what it has been through goes into its state. Whoever calls it has called
-- check_limits(run.held), and calls fill_up at the end.
local function leave_running(id, run, status, attempts)
  call('HDEL', RUNNING, id)
  give_back(id, run.held, status == 'pending')
  call('HSET', STATE .. id, 'status', status, 'list', run.list, 'attempts', attempts, 'started', run.started)
  if status == 'pending' then
    call('HSET', STATE .. id, 'queued', digits(now))
    weigh(id, run.list)
  end
end
