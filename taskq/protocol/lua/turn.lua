-- turn: settle what has finished and claim up to the free slots, in one round trip
-- FLAGS   allow-oom
-- USES    queue processing task state status worker meta paused tombstones bell counters retention dead
-- INCLUDE clock text events bell settle promote sweep
-- ARGV    worker token seq:number want:number lists:number settles:number rest*
-- REPLY   {code, now ms, fence of the first claim, ms to the next due task or -1, hold, {refused ids}, {id, body, attempt, retries, ...}};
--         code 1 done, 0 the worker is not registered, -1 a turn with a higher number was seen
-- rest is the names of the lists to walk in order, then five words per settle (see lib/settle). A repeated seq returns
-- what the first one returned and changes nothing; an older one, still on its way when the worker had given it up, is
-- refused, so it cannot claim for nobody.
local card = call('HMGET', WORKER .. worker, 'token', 'seq', 'turn', 'solo')
if card[1] ~= token then return {0} end
local last = tonumber(card[2] or 0)
if seq < last then return {-1} end

local function bodies_of(ids)
  if #ids == 0 then return {} end
  local keys = {}
  for i, id in ipairs(ids) do keys[i] = TASK .. id end
  return call('MGET', unpack(keys))
end

if seq == last then
  -- "<first fence>|<refused ids>|<claimed ids>"
  local first, refused_text, claimed_text = string.match(card[3], '^(%d*)|([^|]*)|([^|]*)$')
  local ids, refused, claims = {}, {}, {}
  for id in string.gmatch(refused_text, '[^ ]+') do refused[#refused + 1] = id end
  for id in string.gmatch(claimed_text, '[^ ]+') do ids[#ids + 1] = id end
  for i, body in ipairs(bodies_of(ids)) do
    local counts = call('HMGET', STATE .. ids[i], 'attempts', 'retries')
    local n = #claims
    claims[n + 1], claims[n + 2] = ids[i], body or ''
    claims[n + 3], claims[n + 4] = tonumber(counts[1]) or 0, tonumber(counts[2]) or 0
  end
  return {1, now, first, 0, card[4] and 1 or 0, refused, claims}
end

-- everything is read, and so type-checked, before the first write: the server does not roll a script back
local attempts, refused, seen = {}, {}, {}
for i = 1, settles do
  local at = first_rest + lists + (i - 1) * 5
  local id, fence = ARGV[at], ARGV[at + 1]
  local state = not seen[id] and held(id, fence)
  seen[id] = true
  if state then attempts[#attempts + 1] = {id, state, ARGV[at + 2], ARGV[at + 3], tonumber(ARGV[at + 4])}
  else refused[#refused + 1] = id end
end
local lengths, pauses = {}, call('SCARD', PAUSED) > 0
for i = 1, lists do lengths[i] = call('LLEN', QUEUE .. ARGV[first_rest + i - 1]) end
local holding = call('LLEN', PROCESSING .. worker)
call('SCARD', STATUS .. 'pending')
call('SCARD', STATUS .. 'running')
call('SCARD', STATUS .. 'completed')
call('ZCARD', RETENTION)
call('ZCARD', DEAD)
call('HLEN', COUNTERS)
local last_fence = tonumber(call('HGET', META, 'fence') or 0)
local tombs = call('SCARD', TOMBSTONES) > 0

for _, attempt in ipairs(attempts) do
  settle(unpack(attempt))
  if attempt[2][2] == worker then holding = holding - 1 end
end
settle_completed()
if settles > 0 then sweep(settles * 2) end
local promoted, wait = promote(100)
if promoted > 0 then
  for i = 1, lists do lengths[i] = call('LLEN', QUEUE .. ARGV[first_rest + i - 1]) end
end

local fence = math.max(now_us, last_fence + 1)
local fence_tail = '.' .. token .. '.' .. digits(seq)
local claims, ids = {}, {}
local solo = holding > 0 and card[4]
local hold = solo and true or false
local scans = want + 100

local function drop(list, id)
  call('LPOP', QUEUE .. list)
  if call('SREM', TOMBSTONES, id) == 0 then
    call('SREM', STATUS .. 'pending', id)
    call('HINCRBY', COUNTERS, 'lost_bodies', 1)
  end
end

local function take(list, id, body, state)
  call('LMOVE', QUEUE .. list, PROCESSING .. worker, 'LEFT', 'RIGHT')
  local attempt = (tonumber(state[2]) or 0) + 1
  call('HSET', STATE .. id, 'status', 'running', 'fence', digits(fence + #ids) .. fence_tail, 'worker', worker,
    'list', list, 'attempts', attempt, 'started', digits(now))
  ids[#ids + 1] = id
  local n = #claims
  claims[n + 1], claims[n + 2], claims[n + 3], claims[n + 4] = id, body, attempt, tonumber(state[4]) or 0
end

-- Whoever was running when a worker died twice is a suspect and runs alone from then on, so that the one that kills
-- its worker reaches its limit without taking its neighbours along.
local function suspicious(state)
  return (tonumber(state[3]) or 0) >= 2
end

local function walk(list)
  local free = math.min(want - #ids, scans)
  local found = call('LRANGE', QUEUE .. list, 0, free - 1)
  local bodies, states = bodies_of(found), {}
  for i, id in ipairs(found) do states[i] = call('HMGET', STATE .. id, 'status', 'attempts', 'crashes', 'retries') end
  for i, id in ipairs(found) do
    scans = scans - 1
    local state = states[i]
    if (tombs and call('SISMEMBER', TOMBSTONES, id) == 1) or not bodies[i] then
      drop(list, id)
    elseif state[1] and state[1] ~= 'pending' then
      call('LPOP', QUEUE .. list)
      call('HINCRBY', COUNTERS, 'strays', 1)
    elseif suspicious(state) and (holding > 0 or #ids > 0) then
      hold = true
      return 0
    else
      take(list, id, bodies[i], state)
      if suspicious(state) then
        solo, hold = id, true
        return 0
      end
    end
  end
  return #found
end

for i = 1, lists do
  local list = ARGV[first_rest + i - 1]
  if pauses and call('SISMEMBER', PAUSED, list) == 1 then
    lengths[i] = 0
  elseif lengths[i] > 0 then
    while not hold and #ids < want and scans > 0 and walk(list) > 0 do end
    lengths[i] = call('LLEN', QUEUE .. list)
  end
end

if #ids > 0 then
  call('SREM', STATUS .. 'pending', unpack(ids))
  call('SADD', STATUS .. 'running', unpack(ids))
  call('HSET', META, 'fence', digits(fence + #ids - 1))
  if listening then
    for _, id in ipairs(ids) do emit_status(id, 'running', 'pending') end
  end
end

-- work left behind rings on, so that one hint wakes as many workers as there is work for; no work at all clears the
-- bells of stale hints
local empty = true
for i = 1, lists do
  if lengths[i] > 0 then
    empty = false
    local bell = BELL .. ARGV[first_rest + i - 1]
    if call('EXISTS', bell) == 0 then call('RPUSH', bell, '1') end
  end
end
if empty and #ids == 0 and want > 0 then
  local bells = {}
  for i = 1, lists do bells[i] = BELL .. ARGV[first_rest + i - 1] end
  call('DEL', unpack(bells))
end

call('HSET', WORKER .. worker, 'seq', digits(seq),
  'turn', digits(fence) .. '|' .. table.concat(refused, ' ') .. '|' .. table.concat(ids, ' '))
if solo ~= card[4] then
  if solo then call('HSET', WORKER .. worker, 'solo', solo) else call('HDEL', WORKER .. worker, 'solo') end
end
return {1, now, digits(fence), wait, hold and 1 or 0, refused, claims}
