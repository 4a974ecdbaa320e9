-- unique: the end of a task that holds a unique key: who comes after it, and how long the key outlives it
-- USES unique successor state status scheduled tombstones
-- INCLUDE clock sequence
-- unique:<key> is the id of the task that holds the key, successor:<key> that of the one which waits until the holder has
-- ended. What the submit said about the key stands in the state as rules: "policy ttl window idempotency keep", in ms.

-- reads only: all that is touched when a task lets go of a key; returns whether somebody waits for it
local function check_unique(key)
  if not key then return false end
  call('GET', UNIQUE .. key)
  local successor = call('GET', SUCCESSOR .. key)
  if not successor then return false end
  local list = call('HGET', STATE .. successor, 'list')
  if list then check_line(list, group_of(successor)) end
  for _, status in ipairs({'waiting', 'pending', 'scheduled'}) do call('SCARD', STATUS .. status) end
  call('SCARD', TOMBSTONES)
  call('ZCARD', SCHEDULED)
  return true
end

local function hold_key(id, key, rules)
  local ttl = string.match(rules or '', '^%S+ ([1-9]%d*)')
  if ttl then call('SET', UNIQUE .. key, id, 'PX', ttl) else call('SET', UNIQUE .. key, id) end
  call('HSET', STATE .. id, 'unique', key)
end

-- how long the key of an ended task is kept, in ms; started is when it began to run, if it did
local function outlives(rules, status, started)
  local policy, window, idempotency = string.match(rules or '', '^(%S+) %d+ (%d+) (%d+)')
  local keep = status == 'completed' and tonumber(idempotency) or 0
  return policy == 'throttle' and started and math.max(keep, started + window - now) or keep
end

-- A holder whose time is over may find the key in other hands; with nobody else, the successor has waited for it alone.
local function release_unique(id, key, keep)
  if not key then return end
  local holder = redis.pcall('GET', UNIQUE .. key)
  if holder and holder ~= id then return end
  local successor = redis.pcall('GET', SUCCESSOR .. key)
  local state = type(successor) == 'string'
    and redis.pcall('HMGET', STATE .. successor, 'waits', 'list', 'due', 'rules') or {}
  if state[1] == '@unique' then
    call('DEL', SUCCESSOR .. key)
    call('HDEL', STATE .. successor, 'succeeds', 'behind')
    hold_key(successor, key, state[4])
    start(successor, state[2], state[3])
  else
    -- with nothing left of its time it is deleted
    call('PEXPIRE', UNIQUE .. key, digits(keep))
  end
end

-- the end of a task that waits for a key
local function leave_succession(id, key)
  if key and redis.pcall('GET', SUCCESSOR .. key) == id then call('DEL', SUCCESSOR .. key) end
end
