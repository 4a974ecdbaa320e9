-- mend: put one task right: where it is, in which status set, and which of its keys expire
-- FLAGS   allow-oom
-- USES    task state result status running scheduled dead workers leases processing queue unique counters tombstones
-- USES    retention retained checkpoint signals sagas sequence blocked successor jams woken
-- INCLUDE clock text bell leave retention sequence join awaited unique family weights blocked
-- ARGV    id list ttl:number holders*
-- REPLY   {what was done, in words}; nothing if nothing was wrong
-- The truth is what most depends on: a run that its worker still holds; else an end with a result; else the schedule;
-- else the task is pending again, and a run is not charged. list is where it waits if nothing else tells, ttl how long an
-- end is kept if its keys say nothing, holders the workers in whose lists it was seen.
local LIVE, ENDED = {'pending', 'scheduled', 'running', 'retry', 'waiting'}, {'completed', 'failed', 'cancelled'}
local done = {}
local function note(words) done[#done + 1] = words end

local member, live, ended = {}, nil, nil
for _, status in ipairs(LIVE) do
  member[status] = call('SISMEMBER', STATUS .. status, id) == 1
  if member[status] then live = live or status end
end
for _, status in ipairs(ENDED) do
  member[status] = call('SISMEMBER', STATUS .. status, id) == 1
  if member[status] then ended = ended or status end
end
local body, state_ttl, result = call('PTTL', TASK .. id), call('PTTL', STATE .. id), call('PTTL', RESULT .. id)
local state = call('HMGET', STATE .. id, 'status', 'list', 'unique', 'ended', 'sequence', 'waits', 'blocked', 'wakes',
  'succeeds', 'rules', 'parents', 'families')
local record = call('HGET', RUNNING, id)
local run, due, dead = read_record(record), call('ZSCORE', SCHEDULED, id), call('ZSCORE', DEAD, id)
local held = run and call('LPOS', PROCESSING .. run.worker, id)
local runs = held and string.find(run.fence, '^%d+%..+%.%d+$') and call('SISMEMBER', WORKERS, run.worker) == 1
  and call('ZSCORE', LEASES, run.worker)
local elsewhere = {}
for i = first_holders, #ARGV do
  if not (run and ARGV[i] == run.worker) and call('LPOS', PROCESSING .. ARGV[i], id) then
    elsewhere[#elsewhere + 1] = ARGV[i]
  end
end
local waits_in = run and run.list or state[2] or list
local key_holder = state[3] and call('GET', UNIQUE .. state[3])
check_unique(state[3])
check_parents(state[11])
if state[7] then
  call('ZCARD', BLOCKED .. state[7])
  call('ZCARD', JAMS)
  call('HLEN', WOKEN)
end
local succeeds = state[9] and call('GET', SUCCESSOR .. state[9]) == id
call('LLEN', QUEUE .. waits_in)
call('HLEN', COUNTERS)
if run then check_limits(run.held) end
call('ZCARD', SAGAS)
local key, rank = state[5], nil
if key then
  rank = call('ZRANK', SEQUENCE .. key, id)
  check_sequence(key)
end

local function ending()
  if state[1] == 'failed' or state[1] == 'cancelled' then return state[1] end
  return member.failed and 'failed' or member.cancelled and 'cancelled' or 'completed'
end

-- whom a limit or another one's unique key holds up; in its sequence it is the first then
local truth, held_up
if body == -2 then
  truth = ended and not live and ending() or 'lost'
elseif runs then
  truth = 'running'
elseif ended and (result ~= -2 or not live) or not live and not ended and result ~= -2 then
  truth = ending()
elseif due and (member.scheduled or member.retry or state[1] == 'scheduled' or state[1] == 'retry' or not live) then
  truth = (state[1] == 'retry' or member.retry and state[1] ~= 'scheduled') and 'retry' or 'scheduled'
elseif member.waiting and live == 'waiting' then
  local awaited, told = state[6] or '', false
  held_up = awaited == '@limit' and call('ZSCORE', BLOCKED .. (state[7] or ''), id) or awaited == '@unique' and succeeds
  held_up = held_up and (not key or rank == 0)
  if string.sub(awaited, 1, 1) ~= '@' then told = has_come(id, awaited) end
  truth = not held_up and (told or awaited == '@limit' or awaited == '@unique') and 'pending' or 'waiting'
else
  truth = 'pending'
end
local over = truth == 'completed' or truth == 'failed' or truth == 'cancelled'
local keep = over and (body > 0 and body or ttl)
if over then
  call('ZCARD', RETENTION)
  call('LLEN', RETAINED .. slot_of(keep))
end

-- out of each place that is not the one
for _, worker in ipairs(elsewhere) do
  call('LREM', PROCESSING .. worker, '1', id)
  note('taken out of the processing list of ' .. worker)
end
if truth ~= 'running' and record then
  if held then call('LREM', PROCESSING .. run.worker, '1', id) end
  call('HDEL', RUNNING, id)
  note('its record deleted')
  if run then
    give_back(id, run.held, truth == 'pending')
    run.held = nil
    fill_up()
  end
end
-- one that waits for a signal may wait until a time
if due and truth ~= 'scheduled' and truth ~= 'retry' and not (truth == 'waiting' and string.find(state[6] or '', ' ', 1, true)) then
  call('ZREM', SCHEDULED, id)
  note('taken out of the schedule')
end
for _, statuses in ipairs({LIVE, ENDED}) do
  for _, status in ipairs(statuses) do
    if member[status] and status ~= truth then
      call('SREM', STATUS .. status, id)
      unweigh({id})
      note('taken out of the set ' .. status)
    end
  end
end
if dead and truth ~= 'failed' then
  call('ZREM', DEAD, id)
  note('no dead letter any more')
end

local function release_key()
  if key_holder == id then release_unique(id, state[3], 0) end
  leave_succession(id, state[9])
  leave_sequence(id, key)
end

-- its entry in a list is dropped when a claim meets it, or comes alive when its turn comes
local function wait_again(other, waits_for, nowhere)
  if call('SMOVE', STATUS .. 'pending', STATUS .. 'waiting', other) == 1 then
    if not nowhere then call('SADD', TOMBSTONES, other) end
    unweigh({other})
  end
  call('SADD', STATUS .. 'waiting', other)
  wait_in_sequence(other, key, waits_for)
  note(other .. ' waits in its sequence')
end

-- whoever runs or may start is the first of its sequence; whoever waits starts if it is the first
local function put_into_sequence()
  if truth == 'waiting' then
    if not rank then
      join_sequence(id, key)
      note('put at the end of the sequence of ' .. key)
    end
    if call('ZRANK', SEQUENCE .. key, id) == 0 then
      start_first(key)
      note('it was the first of its sequence, and starts')
    end
  elseif rank ~= 0 then
    local first = call('ZRANGE', SEQUENCE .. key, '0', '0', 'WITHSCORES')
    local state = first[1] and call('HMGET', STATE .. first[1], 'status', 'list') or {}
    if truth == 'pending' and (state[1] == 'running' or state[1] == 'scheduled' or state[1] == 'retry') then
      if not rank then join_sequence(id, key) end
      wait_again(id, waits_in, not member.pending)
      truth = 'waiting'
      return
    end
    call('ZADD', SEQUENCE .. key, (first[2] or 0) - 1, id)
    note('put at the beginning of the sequence of ' .. key)
    if state[1] == 'pending' then wait_again(first[1], state[2]) end
  end
end

if truth == 'lost' then
  if live then
    call('HINCRBY', COUNTERS, 'lost_bodies', '1')
    note('dropped and counted: it has no envelope')
  end
  count_down(id, state[11], 'lost', gone_json(id, 'its envelope was lost'))
  expire_families(state[12], 0)
  release_key()
  if call('ZREM', SAGAS, id) == 1 then note('no saga any more') end
  if call('UNLINK', STATE .. id, RESULT .. id, CHECKPOINT .. id, SIGNALS .. id) > 0 then note('what was left of it deleted') end
  return done
end
if not member[truth] then
  call('SADD', STATUS .. truth, id)
  if truth == 'pending' then weigh(id, waits_in) end
  note('put into the set ' .. truth)
end

-- what of it expires, and its state
if over then
  if body ~= -2 and body < 0 then
    call('PEXPIRE', TASK .. id, keep)
    note('its envelope expires')
  end
  if result == -2 and body ~= -2 then
    call('SET', RESULT .. id, '{"task_id":"' .. id .. '","status":"' .. truth .. '","result":null,"error":'
      .. '"the result was deleted by somebody else","duration":null,"worker_id":null,"attempts":0,"completed_at":"'
      .. iso(now) .. '"}', 'PX', keep)
    note('a result put in place of the one that is gone')
  elseif result == -1 then
    call('PEXPIRE', RESULT .. id, keep)
    note('its result expires')
  end
  release_key()
  for _, key in ipairs({CHECKPOINT .. id, SIGNALS .. id}) do
    if call('PTTL', key) == -1 then
      call('PEXPIRE', key, keep)
      note('what it has noted or was told expires')
    end
  end
  if truth == 'completed' then
    if call('DEL', STATE .. id) > 0 then note('its state deleted') end
  elseif body ~= -2 and (state[1] ~= truth or state_ttl < 0) then
    call('HSET', STATE .. id, 'status', truth, 'ended', state[4] or digits(now))
    call('PEXPIRE', STATE .. id, keep)
    note('its state says ' .. truth .. ' and expires')
  end
  if truth == 'failed' and not dead then
    call('ZADD', DEAD, state[4] or now, id)
    note('a dead letter')
  end
  if #done > 0 then retain({id}, slot_of(keep)) end
  return done
end
if body >= 0 then
  call('PERSIST', TASK .. id)
  note('its envelope does not expire any more')
end
if state_ttl >= 0 then
  call('PERSIST', STATE .. id)
  note('its state does not expire any more')
end
if result ~= -2 then
  call('DEL', RESULT .. id)
  note('its result deleted')
end
if state[9] and not held_up then
  leave_succession(id, state[9])
  call('HDEL', STATE .. id, 'succeeds', 'behind', 'waits')
  if call('EXISTS', UNIQUE .. state[9]) == 0 then hold_key(id, state[9], state[10]) end
  note('it does not wait for a unique key any more')
end
if state[3] and key_holder ~= id and not string.find(state[10] or '', '^%S+ [1-9]') then
  if not key_holder then call('SET', UNIQUE .. state[3], id) else call('HDEL', STATE .. id, 'unique') end
  note(key_holder and 'its unique key belongs to another task' or 'its unique key is held again')
end

if truth == 'pending' then leave_blocked(id, state[7]) end
if key and not held_up then put_into_sequence() end
if truth == 'waiting' then
  if state[8] and not due and string.find(state[6], ' ', 1, true) then
    schedule(id, tonumber(state[8]), waits_in)
    note('back in the schedule')
  end
  return done
end

if truth == 'running' then
  local known = call('EXISTS', STATE .. id) == 1
  if known and state[1] ~= truth then
    call('HSET', STATE .. id, 'status', truth)
    note('its state says running')
  end
  if known ~= (string.find(run.flags, 'h', 1, true) ~= nil) then
    run.flags = string.gsub(run.flags, '[-h]', '')
    if known then add_flag(id, run, 'h') else
      if run.flags == '' then run.flags = '-' end
      write_record(id, run)
    end
    note('its record put right')
  end
  return done
end
if run then
  leave_running(id, run, truth, run.attempt - 1)
elseif truth ~= 'pending' and (state[1] ~= truth or not state[2]) then
  call('HSET', STATE .. id, 'status', truth, 'list', waits_in)
  note('its state says ' .. truth)
elseif truth == 'pending' and call('EXISTS', STATE .. id) == 1 and state[1] ~= 'pending' and (state[1] or not state[3]) then
  call('HSET', STATE .. id, 'status', 'pending')
  note('its state says pending')
end
-- what was running or scheduled stands in no list; of anything else the walk through the lists tells
if truth == 'pending' and not member.pending and (record or due or member.running or member.scheduled or member.retry
    or member.waiting) then
  call('LPUSH', QUEUE .. waits_in, id)
  ring(waits_in)
  note('back at the head of ' .. waits_in)
end
return done
