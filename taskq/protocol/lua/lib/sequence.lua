-- sequence: tasks with the same ordering key start one after the other, in the order of their submits
-- USES sequence state status scheduled tombstones
-- INCLUDE clock bell events schedule groups weights
-- sequence:<key> holds the live tasks of a key in order. Only the first of them may stand in a list or in the schedule, or
-- run; the others wait and stand nowhere else. So a claim need not look here: whatever ends the first one for good starts
-- the next in the same step.

-- reads only: all that the end of a task touches in its sequence
local function check_sequence(key)
  if not key then return end
  for _, id in ipairs(call('ZRANGE', SEQUENCE .. key, '0', '1')) do
    local list = call('HGET', STATE .. id, 'list')
    if list then check_line(list, group_of(id)) end
  end
  call('SCARD', TOMBSTONES)
  call('ZCARD', SCHEDULED)
  for _, status in ipairs({'waiting', 'pending', 'scheduled'}) do call('SCARD', STATUS .. status) end
end

local function start(id, list, due)
  local later = due and tonumber(due) > now
  local status = later and 'scheduled' or 'pending'
  call('SMOVE', STATUS .. 'waiting', STATUS .. status, id)
  call('HDEL', STATE .. id, 'waits', 'due')
  call('HSET', STATE .. id, 'status', status, 'queued', digits(now))
  if later then
    schedule(id, tonumber(due), list)
  else
    -- one that was cancelled and replayed may have left a tombstone in its list: it comes alive there
    if call('SREM', TOMBSTONES, id) == 0 then line_up(id, list, group_of(id)) end
    weigh(id, list)
    ring(list)
  end
  emit_status(id, status, 'waiting')
end

-- starts the first of a sequence if it waits; ids that are not live, which a foreign hand has left, are passed over
local function start_first(key)
  for _, id in ipairs(call('ZRANGE', SEQUENCE .. key, '0', '99')) do
    local status, waits, list, due = unpack(call('HMGET', STATE .. id, 'status', 'waits', 'list', 'due'))
    local over = not status or status == 'completed' or status == 'failed' or status == 'cancelled'
    if not over then return status == 'waiting' and waits == '@sequence' and start(id, list, due) end
    call('ZREM', SEQUENCE .. key, id)
  end
end

-- the task has come to its end, wherever it stood
local function leave_sequence(id, key)
  if key and call('ZREM', SEQUENCE .. key, id) == 1 then start_first(key) end
end
