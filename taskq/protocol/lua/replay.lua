-- replay: put ended tasks back into their lists, with all their attempts before them
-- USES    task state status result dead tombstones counters unique family children gathered checkpoint signals
-- USES    sequence
-- INCLUDE bell events family join unique weights
-- ARGV    reopen:number ids*
-- REPLY   {per id: 1 replayed, 0 not a failed or cancelled task that can be}
-- list comes from the state, or for a task that never ran from the caller as the word after its id. Whoever replays a task
-- wants it to run, whenever it was submitted: it does not expire any more. A unique key that
-- another task has taken since stays with that one; otherwise the replayed task holds it again. A task with an ordering
-- key goes to the end of its sequence. With reopen, a child is open again in the families that have counted it, and its
-- parent waits for it if that is not too late.
local codes, states = {}, {}
for i = first_ids, #ARGV, 2 do
  local id = ARGV[i]
  local state = call('HMGET', STATE .. id, 'status', 'list', 'unique', 'parents', 'families', 'sequence', 'rules', 'begun')
  states[#states + 1] = state
  state.group = group_of(id)
  -- it stands in the head of an envelope; if somebody's key says so too, a flag more does no harm
  state.begun = state[8] or string.find(head_of(id), '"expires_in":', 1, true)
  check_line(state[2] or ARGV[i + 1], state.group)
  if state[3] then call('GET', UNIQUE .. state[3]) end
  if reopen == 1 then check_parents(state[4]) end
  if state[6] then call('ZCARD', SEQUENCE .. state[6]) end
end
for _, status in ipairs({'pending', 'waiting', 'failed', 'cancelled'}) do call('SCARD', STATUS .. status) end
call('ZCARD', DEAD)
call('SCARD', TOMBSTONES)
call('HLEN', COUNTERS)
local function open_again(id, parents)
  for name in string.gmatch(parents or '', '[^ ]+') do
    local family = call('HMGET', FAMILY .. name, 'policy', 'need', 'total', 'completed', 'failed')
    local failed = tonumber(family[5]) or 0
    if failed > 0 and (call('HGET', GATHERED .. name, id) or '') ~= '' then
      call('HSET', GATHERED .. name, id, '')
      call('HINCRBY', FAMILY .. name, 'failed', -1)
      if not verdict(family[1], tonumber(family[2]), tonumber(family[3]), tonumber(family[4]) or 0, failed - 1) then
        call('HDEL', FAMILY .. name, 'done')
      end
    end
  end
end

for n, state in ipairs(states) do
  local i = first_ids + (n - 1) * 2
  local id, list, status = ARGV[i], state[2] or ARGV[i + 1], state[1]
  codes[n] = 0
  if (status == 'failed' or status == 'cancelled') and call('PERSIST', TASK .. id) == 1 then
    call('DEL', STATE .. id, RESULT .. id)
    local holder = state[3] and call('GET', UNIQUE .. state[3])
    if state[3] and (not holder or holder == id) then
      hold_key(id, state[3], state[7])
      if state[7] then call('HSET', STATE .. id, 'status', 'pending', 'rules', state[7]) end
    end
    if state[4] then call('HSET', STATE .. id, 'status', 'pending', 'parents', state[4]) end
    if state[5] then call('HSET', STATE .. id, 'status', 'pending', 'families', state[5]) end
    if state.begun then call('HSET', STATE .. id, 'status', 'pending', 'begun', '1') end
    -- what it has noted and was told is kept as long as the task again
    if call('PERSIST', CHECKPOINT .. id) + call('PERSIST', SIGNALS .. id) > 0 then
      call('HSET', STATE .. id, 'status', 'pending')
    end
    for name in string.gmatch(state[5] or '', '[^ ]+') do
      for _, key in ipairs({FAMILY .. name, CHILDREN .. name, GATHERED .. name}) do call('PERSIST', key) end
    end
    if reopen == 1 then open_again(id, state[4]) end
    call('ZREM', DEAD, id)
    local behind = state[6] and not join_sequence(id, state[6])
    local now_is = behind and 'waiting' or 'pending'
    call('SMOVE', STATUS .. status, STATUS .. now_is, id)
    if behind then
      wait_in_sequence(id, state[6], list)
    else
      if state[6] then call('HSET', STATE .. id, 'status', 'pending', 'sequence', state[6], 'list', list) end
      -- a tombstone still stands in its list: it comes alive where it is
      if call('SREM', TOMBSTONES, id) == 0 then line_up(id, list, state.group) end
      weigh(id, list)
      ring(list)
    end
    call('HINCRBY', COUNTERS, 'replayed', 1)
    emit_status(id, now_is, status)
    codes[n] = 1
  end
end
return codes
