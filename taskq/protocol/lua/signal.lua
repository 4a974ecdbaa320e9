-- signal: tell a task what it waits for, or will wait for; once
-- USES    signals task state status queue scheduled running
-- INCLUDE family running
-- ARGV    id name data most:number
-- REPLY   told, now or before; missing: no such task; full: it was told as much as it may be; or the status it has ended with
-- A task that waits for this goes to the head of its list. A name that begins with @ is for whoever waits for any signal.
-- No allow-oom flag: data may be large.
if call('EXISTS', TASK .. id) == 0 then return 'missing' end
local run, state = read_record(call('HGET', RUNNING, id)), call('HMGET', STATE .. id, 'status', 'waits', 'list')
local status = run and 'running' or state[1]
if not status then status = call('SISMEMBER', STATUS .. 'pending', id) == 1 and 'pending' or 'completed' end
if status == 'completed' or status == 'failed' or status == 'cancelled' then return status end
if call('HEXISTS', SIGNALS .. id, name) == 1 then return 'told' end
if call('HLEN', SIGNALS .. id) >= most then return 'full' end
local awaited = status == 'waiting' and string.match(state[2], ' (.+)$')
local wakes = awaited and (awaited == name or string.sub(name, 1, 1) == '@')
if wakes then
  call('LLEN', QUEUE .. state[3])
  call('SCARD', STATUS .. 'waiting')
  call('SCARD', STATUS .. 'pending')
  call('ZCARD', SCHEDULED)
end
call('HSET', SIGNALS .. id, name, data)
-- with a state, its end takes the long way, which deletes what it was told
if run then
  call('HSET', STATE .. id, 'status', 'running')
  add_flag(id, run, 'h')
elseif not state[1] then
  call('HSET', STATE .. id, 'status', status)
end
if wakes then
  call('ZREM', SCHEDULED, id)
  wake(state[2], id)
end
return 'told'
