-- graph: store tasks of which some wait for others, all or none
-- USES    task state status queue queues counters family children gathered running result
-- INCLUDE clock bell events running family large
-- ARGV    max_length:number rest*
-- REPLY   {code, detail}: 1 stored, now or before; -1 and an id that holds another body; -2 and {full list, its length};
--         -3 and an id that is waited for and unknown
-- rest is for each task id, body, list, policy, the number of those it waits for, and their ids: they stand before it in
-- this call, or are known. So there can be no circle. No allow-oom flag: it adds tasks.
local tasks, new, wanted, lists, looks = {}, {}, {}, {}, {}

-- reads only: what is known of a task that is waited for; nil if nothing is
local function look_at(id)
  local body, run = call('STRLEN', TASK .. id), read_record(call('HGET', RUNNING, id))
  if body == 0 then return nil end
  local state, result = call('HMGET', STATE .. id, 'status', 'parents'), call('GET', RESULT .. id)
  local status = run and 'running' or state[1]
    or (call('SISMEMBER', STATUS .. 'completed', id) == 1 and 'completed') or 'pending'
  local ended = status == 'completed' or status == 'failed' or status == 'cancelled'
  return {run = run, status = status, parents = state[2],
    result = ended and (result or gone_json(id, 'its result has expired')) or ''}
end

local at = first_rest
while at <= #ARGV do
  local id, list, count = ARGV[at], ARGV[at + 2], tonumber(ARGV[at + 4])
  local body = call('GET', TASK .. id)
  if new[id] or (body and body ~= ARGV[at + 1]) then return {-1, id} end
  if not body then
    check_size(ARGV[at + 1])
    local task = {id = id, body = ARGV[at + 1], list = list, policy = ARGV[at + 3], needs = {}}
    for i = at + 5, at + 4 + count do
      local need = ARGV[i]
      looks[need] = looks[need] or look_at(need)
      if not looks[need] then return {-3, need} end
      task.needs[#task.needs + 1] = need
    end
    call('HLEN', STATE .. id)
    for _, key in ipairs({FAMILY, GATHERED}) do call('HLEN', key .. id .. '/0') end
    call('LLEN', CHILDREN .. id .. '/0')
    tasks[#tasks + 1], new[id] = task, true
    looks[id] = {status = count > 0 and 'waiting' or 'pending', result = ''}
    if not wanted[list] then lists[#lists + 1] = list end
    wanted[list] = (wanted[list] or 0) + 1
  end
  at = at + 5 + count
end
if #tasks == 0 then return {1, 0} end
for _, list in ipairs(lists) do
  local length = call('LLEN', QUEUE .. list)
  if max_length > 0 and length + wanted[list] > max_length then return {-2, {list, length}} end
end
call('SCARD', STATUS .. 'pending')
call('SCARD', STATUS .. 'waiting')
call('SCARD', QUEUES)

-- the one that is waited for learns who waits
local function add_parent(id, known, name)
  known.parents = known.parents and known.parents .. ' ' .. name or name
  call('HSET', STATE .. id, 'status', known.status, 'parents', known.parents)
  if known.run then
    add_flag(id, known.run, 'h')
    known.run = nil
  end
end

-- returns the status that a task begins with
local function make_family(task)
  if #task.needs == 0 then return 'pending' end
  local name, entries, counts = task.id .. '/0', {}, {completed = 0, failed = 0}
  for i, need in ipairs(task.needs) do
    local known = looks[need]
    entries[2 * i - 1], entries[2 * i] = need, known.result
    if known.result == '' then
      add_parent(need, known, name)
    else
      local kind = known.status == 'completed' and 'completed' or 'failed'
      counts[kind] = counts[kind] + 1
    end
  end
  local done = verdict(task.policy, 0, #task.needs, counts.completed, counts.failed)
  local status = done and 'pending' or 'waiting'
  call('HSET', FAMILY .. name, 'total', #task.needs, 'policy', task.policy, 'need', 0, 'task', task.id, 'list', task.list,
    'data', '', 'completed', counts.completed, 'failed', counts.failed)
  if done then call('HSET', FAMILY .. name, 'done', done) end
  call('RPUSH', CHILDREN .. name, unpack(task.needs))
  call('HSET', GATHERED .. name, unpack(entries))
  call('HSET', STATE .. task.id, 'status', status, 'list', task.list, 'families', name, 'waits', name)
  looks[task.id].status = status
  return status
end

call('HINCRBY', COUNTERS, 'submitted', #tasks)
note_size()
for _, task in ipairs(tasks) do
  local id, list = task.id, task.list
  call('SET', TASK .. id, task.body)
  local status = make_family(task)
  call('SADD', STATUS .. status, id)
  if status == 'pending' then
    call('RPUSH', QUEUE .. list, id)
    ring(list)
  end
  local queue = string.match(list, '^(.*):')
  if queue then call('SADD', QUEUES, queue) end
  emit_submitted(id, status, list)
end
return {1, #tasks}
