-- family: children are counted at the tasks that wait for them, each of them once
-- USES family gathered state status queue
-- INCLUDE clock text bell events verdict groups weights families
-- A family is a list of children and what has become of them: gathered holds '' for an open one and its result for an
-- ended one, so that whoever reports the same end again changes nothing. parents and families are names of families with
-- spaces between them: those that a task is a child in, and those that it has made or waits for.
local checked = {}

-- reads only: all that the end of a child touches
local function check_parents(parents)
  for name in string.gmatch(parents or '', '[^ ]+') do
    if not checked[name] then
      local family = call('HMGET', FAMILY .. name, 'task', 'list')
      call('HLEN', GATHERED .. name)
      if family[2] and family[2] ~= '' then
        call('HLEN', STATE .. family[1])
        check_line(family[2], group_of(family[1]))
        call('SCARD', STATUS .. 'waiting')
        call('SCARD', STATUS .. 'pending')
      end
      checked[name] = true
    end
  end
end

-- a task that waits goes to the head of its list: it has had its turn, and what it waited for is there; one of a group that has
-- not begun has not
local function wake(name, task)
  local state = call('HMGET', STATE .. task, 'status', 'waits', 'list', 'attempts')
  if state[1] ~= 'waiting' or state[2] ~= name then return end
  call('SMOVE', STATUS .. 'waiting', STATUS .. 'pending', task)
  call('HSET', STATE .. task, 'status', 'pending', 'queued', digits(now))
  local group = not state[4] and group_of(task)
  if group then line_up(task, state[3], group) else call('LPUSH', QUEUE .. state[3], task) end
  weigh(task, state[3])
  ring(state[3])
  emit_status(task, 'pending', 'waiting')
end

-- returns the names of the families that have come to their end by this
local function count_down(id, parents, status, result)
  local ended = {}
  for name in string.gmatch(parents or '', '[^ ]+') do
    local found = call('HMGET', FAMILY .. name, 'done', 'policy', 'need', 'total', 'completed', 'failed', 'task')
    -- without its record nobody knows when it is done
    if found[4] and call('HGET', GATHERED .. name, id) == '' then
      local kind = status == 'completed' and 'completed' or 'failed'
      local counts = {completed = tonumber(found[5]) or 0, failed = tonumber(found[6]) or 0}
      counts[kind] = counts[kind] + 1
      call('HSET', GATHERED .. name, id, result)
      call('HSET', FAMILY .. name, kind, counts[kind])
      local done = not found[1]
        and verdict(found[2], tonumber(found[3]), tonumber(found[4]), counts.completed, counts.failed)
      if done then
        call('HSET', FAMILY .. name, 'done', done)
        ended[#ended + 1] = name
        wake(name, found[7])
      end
    end
  end
  return ended
end

-- for a child that leaves without an end
local function gone_json(id, why)
  return '{"task_id":"' .. id .. '","status":"cancelled","result":null,"error":"' .. why
    .. '","duration":null,"worker_id":null,"attempts":0,"completed_at":"' .. iso(now) .. '"}'
end
