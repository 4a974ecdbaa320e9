-- limits: how many tasks of a kind may run at a time, and how many may start within a time
-- USES permits sole jams blocked state status queue scheduled gates faults tallies woken counters sidings
-- INCLUDE clock text bell events schedule room gates tallying weights
-- A limit counts tasks that have a key of its name, or of its name with ':' and more behind it, each such key by itself.
-- permits says how many run with it. A claim that finds no room takes the task out of its list into blocked:<key>;
-- whatever makes room moves the first of them back to the heads of their lists in the same step. jams says for each key
-- with blocked tasks when to look at it again: rates make room by time alone, and a task that was moved back may meet
-- another full limit, or nobody who runs it. The earliest of these times stands in the schedule as '@limits'.
local SOON_MS, MOST = 1000, 100
local RANKS = {urgent = 0, high = 1, normal = 2, low = 3}
-- what one script needs to know of a key once: that all of it was checked
-- and which circuits were closed
local sound, freed, jammed, closed = {}, {}, false, {}

-- as room, also on a siding: there it is a turn that makes room
local function opening(key)
  if string.byte(key) ~= 64 then return room(key) end
  return call('HEXISTS', SIDINGS, key) == 1 and 0 or MOST, now + 60000
end

-- reads only: all that is touched when there is room with some keys, or may be
local function check_limits(keys)
  if not keys or sound[keys] then return end
  call('ZCARD', JAMS)
  call('ZCARD', SCHEDULED)
  call('SCARD', STATUS .. 'waiting')
  call('SCARD', STATUS .. 'pending')
  call('HLEN', WOKEN)
  call('HLEN', PERMITS)
  call('SCARD', SOLE)
  for key in string.gmatch(keys, '=?([^ ]+)') do
    opening(key)
    if guarded and circuit_of(key) then
      call('LLEN', FAULTS .. key)
      call('HLEN', TALLIES .. key)
    end
    call('ZCARD', BLOCKED .. key)
  end
  sound[keys] = true
end

-- of a key with '=' before it: whether anybody holds it alone
local function set_permits(key, count)
  if string.byte(key) == 61 then
    if count > 0 then call('SADD', SOLE, string.sub(key, 2)) else call('SREM', SOLE, string.sub(key, 2)) end
  else
    holders[key] = count
    if count > 0 then call('HSET', PERMITS, key, digits(count)) else call('HDEL', PERMITS, key) end
  end
end

local function look_again(key, at)
  jammed = true
  call('ZADD', JAMS, 'LT', digits(at), key)
  call('ZADD', SCHEDULED, 'LT', digits(at), '@limits')
end

-- Takes a permit or a start of each limit, or of none. Returns the key that is full and when to look again; or nil, and
-- the keys whose permits it holds from now on.
local function admit(id, keys)
  local held_by, held = {}, nil
  for key in string.gmatch(keys, '[^ ]+') do
    local free, again, holds = room(key)
    if free < 1 then return key, again end
    held_by[key] = holds
  end
  for key in string.gmatch(keys, '[^ ]+') do
    start_with(key, defined[key], 1)
    if held_by[key] then set_permits(key, number_of(key) + 1) end
    if held_by[key] then held = held and held .. ' ' .. key or key end
    if guarded and circuit_of(key) and call('HEXISTS', GATES, '!' .. key) == 1 then
      -- whoever passes the gate of a circuit is its probe
      sent_out[key] = id
      call('HSET', GATES, '!' .. key, 'half ' .. id)
      emit('circuit.half_open', 'key', key, 'task_id', id)
    end
  end
  return nil, held
end

-- Out of its list; it keeps its place among the blocked if it has been there before: by priority, then by time.
local function block(id, list, key, again, since, from)
  if not since then
    since = string.format('%d', (RANKS[string.match(list, '[^:]*$')] or 3) * 2251799813685248 + now_us - 1700000000000000)
    -- two of one turn
    local last = call('ZREVRANGEBYSCORE', BLOCKED .. key, since + 1000, since, 'WITHSCORES', 'LIMIT', '0', '1')
    if last[2] then since = string.format('%d', last[2] + 1) end
  end
  call('ZADD', BLOCKED .. key, since, id)
  from = from or 'pending'
  call('SMOVE', STATUS .. from, STATUS .. 'waiting', id)
  unweigh({id})
  call('HSET', STATE .. id, 'status', 'waiting', 'waits', '@limit', 'blocked', key, 'since', since, 'list', list)
  look_again(key, again)
  emit_status(id, 'waiting', from)
end

local function back_to_its_list(id, key)
  local state = redis.pcall('HMGET', STATE .. id, 'status', 'waits', 'list')
  local known = not state.err and state[1] == 'waiting' and state[2] == '@limit'
  -- a list that a foreign hand has damaged: it waits on
  if known and type(redis.pcall('LLEN', QUEUE .. state[3])) ~= 'number' then return end
  call('ZREM', BLOCKED .. key, id)
  if not known then return end
  call('SMOVE', STATUS .. 'waiting', STATUS .. 'pending', id)
  call('HDEL', STATE .. id, 'waits', 'blocked')
  call('HSET', STATE .. id, 'status', 'pending', 'queued', digits(now))
  call('LPUSH', QUEUE .. state[3], id)
  weigh(id, state[3])
  ring(state[3])
  emit_status(id, 'pending', 'waiting')
end

-- whether the last of a whole portion still stands in its list: the next one would overtake it at the head
local function still_waits(key)
  local last = call('HGET', WOKEN, key)
  if not last then return false end
  if call('SISMEMBER', STATUS .. 'pending', last) == 1 then return true end
  call('HDEL', WOKEN, key)
  return false
end

-- as many of the blocked as there is room for go back to the heads of their lists, the first of them last
local function unblock(key, most)
  local free, again = opening(key)
  local count = free > 0 and not still_waits(key) and math.min(free, most) or 0
  local ids = count > 0 and call('ZRANGE', BLOCKED .. key, '0', count - 1) or {}
  for i = #ids, 1, -1 do back_to_its_list(ids[i], key) end
  if call('EXISTS', BLOCKED .. key) == 0 then
    call('ZREM', JAMS, key)
    call('HDEL', WOKEN, key)
  elseif #ids == 0 and free <= 0 then
    look_again(key, again)
  else
    look_again(key, math.min(again, now + SOON_MS))
    -- whoever claims the last of them lets the next ones in
    if #ids == MOST then
      call('HSET', WOKEN, key, ids[MOST])
      call('HSET', STATE .. ids[MOST], 'leads', key)
    end
  end
end

-- The run is over, and its record is deleted, which holds for one call only: its permits are free again. For whom is decided when all of them are known (fill_up); a task that
-- goes back to the head of its list is the next one itself: a space before the key tells.
local function give_back(id, keys, comes_again)
  for mark, key in string.gmatch(keys or '', '(=?)([^ ]+)') do
    set_permits(mark .. key, mark == '' and math.max(number_of(key) - 1, 0) or 0)
    -- a probe that has ended without an answer: another one may try at once
    if guarded and call('HGET', GATES, '!' .. key) == 'half ' .. id then
      call('HSET', GATES, '!' .. key, 'open ' .. digits(now) .. ' ' .. digits(now))
    end
    freed[#freed + 1] = comes_again and ' ' .. key or key
  end
end

local function open_circuit(key, span)
  call('HSET', GATES, '!' .. key, 'open ' .. digits(now) .. ' ' .. digits(now + span))
  call('DEL', FAULTS .. key, TALLIES .. key)
  call('HINCRBY', COUNTERS, 'circuits_opened', 1)
  emit('circuit.opened', 'key', key, 'until_ms', now + span)
end

local function close_circuit(key)
  call('HDEL', GATES, '!' .. key)
  call('DEL', FAULTS .. key, TALLIES .. key)
  emit('circuit.closed', 'key', key)
end

-- A run with permits has an answer; called before they are given back. Outcomes that say nothing are none.
local function answer(id, keys, failed)
  if not keys or not guarded then return end
  for key in string.gmatch(keys, '=?([^ ]+)') do
    local circuit = circuit_of(key)
    local gate = circuit and call('HGET', GATES, '!' .. key)
    if gate == 'half ' .. id then
      if failed then
        open_circuit(key, circuit.open_for)
      else
        close_circuit(key)
        closed[key] = true
      end
    elseif circuit and circuit.share and not gate then
      count_answers(key, circuit.within, 1, failed and 1 or 0)
      if failed then
        local attempts, faults = tally_of(key, circuit.within)
        if faults >= circuit.failures and faults * 1000 >= circuit.share * attempts then
          open_circuit(key, circuit.open_for)
        end
      end
    elseif circuit and failed and not gate then
      local count = call('RPUSH', FAULTS .. key, digits(now))
      if count > circuit.failures then call('LTRIM', FAULTS .. key, -circuit.failures, '-1') end
      call('PEXPIRE', FAULTS .. key, digits(circuit.within))
      local first = tonumber(call('LINDEX', FAULTS .. key, '0')) or 0
      if count >= circuit.failures and first > now - circuit.within then open_circuit(key, circuit.open_for) end
    end
  end
end

local function fill_up()
  local counts = {}
  for _, key in ipairs(freed) do counts[key] = (counts[key] or 0) + 1 end
  for _, word in ipairs(freed) do
    local key, count = string.match(word, '[^ ]+'), counts[word]
    counts[word] = nil
    if count and call('EXISTS', BLOCKED .. key) == 1 then
      if word == key then unblock(key, closed[key] and MOST or count) else look_again(key, now + SOON_MS) end
    end
  end
  freed = {}
end

-- the time in the schedule has come: reads only
local function due_jams()
  return call('ZRANGEBYSCORE', JAMS, '-inf', digits(now), 'LIMIT', '0', '10')
end

local function check_jams()
  for _, key in ipairs(due_jams()) do check_limits(key) end
end

local function look_at_jams()
  for _, key in ipairs(due_jams()) do
    call('ZADD', JAMS, digits(now + 60000), key)
    unblock(key, MOST)
  end
  local first = call('ZRANGE', JAMS, '0', '0', 'WITHSCORES')
  if first[2] then call('ZADD', SCHEDULED, first[2], '@limits') else call('ZREM', SCHEDULED, '@limits') end
end
