-- turn: settle what has finished and claim up to the free slots, in one round trip
-- FLAGS   allow-oom
-- USES    queue processing task state status worker meta paused tombstones bell counters
-- INCLUDE clock text events bell settle promote sweep
-- ARGV    worker token seq:number want:number lists:number settles:number rest*
-- REPLY   {code, now ms, fence of the first claim, ms to the next due task or -1, hold, {refused ids}, {id, body, attempt, retries, ...}};
--         code 1 done, 0 the worker is not registered, -1 a turn with a higher number was seen
-- The claims of a turn share one fence word, and are numbered on from its first part. rest is the names of the lists to
-- walk in order, then five words per settle (see lib/settle). A repeated seq returns what the first one returned and
-- changes nothing; an older one, still on its way when the worker had given it up, is refused, so it cannot claim for
-- nobody.
local card = call('HMGET', WORKER .. worker, 'token', 'seq', 'solo')
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
  -- "<first fence>|<hold>|<refused ids>|<claimed ids>"
  local first, held_back, refused_text, claimed_text = string.match(call('HGET', WORKER .. worker, 'turn'), '^(%d*)|([01])|([^|]*)|([^|]*)$')
  local ids, refused, claims = {}, {}, {}
  for id in string.gmatch(refused_text, '[^ ]+') do refused[#refused + 1] = id end
  for id in string.gmatch(claimed_text, '[^ ]+') do ids[#ids + 1] = id end
  for i, body in ipairs(bodies_of(ids)) do
    local counts = call('HMGET', STATE .. ids[i], 'attempts', 'retries')
    local n = #claims
    claims[n + 1], claims[n + 2] = ids[i], body or ''
    claims[n + 3], claims[n + 4] = tonumber(counts[1]) or 0, tonumber(counts[2]) or 0
  end
  return {1, now, first, until_next(), tonumber(held_back), refused, claims}
end

-- everything is read, and so type-checked, before the first write: the server does not roll a script back
local attempts, refused = check_settles(settles, first_rest + lists)
local unusual = call('EXISTS', PAUSED, TOMBSTONES) > 0
local pauses = unusual and call('SCARD', PAUSED) > 0
local tombs = unusual and call('SCARD', TOMBSTONES) > 0
local lengths = {}
for i = 1, lists do lengths[i] = call('LLEN', QUEUE .. ARGV[first_rest + i - 1]) end
local holding = held_by[worker] or call('LLEN', PROCESSING .. worker)
local due = until_next()
fallen_due(100, due)
call('SCARD', STATUS .. 'pending')
local last_fence = 0
if want > 0 then
  if #attempts == 0 then call('SCARD', STATUS .. 'running') end
  last_fence = tonumber(call('HGET', META, 'fence') or 0)
end

if settles > 0 then sweep(settles * 2) end
for _, attempt in ipairs(attempts) do
  settle(unpack(attempt))
  if attempt[2][2] == worker then holding = holding - 1 end
end
settle_completed()
local promoted, wait = promote(100, rescheduled and until_next() or due)
if promoted > 0 or released then
  for i = 1, lists do lengths[i] = call('LLEN', QUEUE .. ARGV[first_rest + i - 1]) end
end

local fence = math.max(now_us, last_fence + 1)
local seq_text, fence_text = digits(seq), digits(fence)
local fence_word = fence_text .. '.' .. token .. '.' .. seq_text
local claims, ids, started = {}, {}, digits(now)
local solo = holding > 0 and card[3]
local hold = solo and true or false
local scans = want + 100

-- a task without a body cannot run: somebody else has deleted it
local function drop_lost(list, id)
  call('LPOP', QUEUE .. list)
  if call('SREM', STATUS .. 'pending', id) == 1 then call('HINCRBY', COUNTERS, 'lost_bodies', 1) end
  release_unique(id, call('HGET', STATE .. id, 'unique'))
  call('DEL', STATE .. id)
end

local function state_of(id)
  local state = redis.pcall('HMGET', STATE .. id, 'status', 'attempts', 'crashes', 'retries')
  if not state.err then return state end
  -- not ours, and too late to stop: without it the task is as good as new
  call('DEL', STATE .. id)
  return {}
end

local function take(list, id, body, state)
  call('LMOVE', QUEUE .. list, PROCESSING .. worker, 'LEFT', 'RIGHT')
  local attempt = state[2] and digits(state[2] + 1) or '1'
  call('HSET', STATE .. id, 'status', 'running', 'fence', fence_word, 'worker', worker,
    'list', list, 'attempts', attempt, 'started', started)
  ids[#ids + 1] = id
  local n = #claims
  claims[n + 1], claims[n + 2], claims[n + 3], claims[n + 4] = id, body, tonumber(attempt), tonumber(state[4]) or 0
end

-- Whoever was running when a worker died twice is a suspect and runs alone from then on, so that the one that kills
-- its worker reaches its limit without taking its neighbours along.
local function suspicious(state)
  return (tonumber(state[3]) or 0) >= 2
end

local function walk(list)
  local free = math.min(want - #ids, scans)
  local found = call('LRANGE', QUEUE .. list, '0', digits(free - 1))
  local bodies, states, keys = bodies_of(found), {}, {}
  for i, id in ipairs(found) do keys[i] = STATE .. id end
  -- a task that has never run has no state; most have not
  local known = #found > 0 and call('EXISTS', unpack(keys)) > 0
  for i, id in ipairs(found) do states[i] = known and state_of(id) or {} end
  for i, id in ipairs(found) do
    scans = scans - 1
    local state = states[i]
    if tombs and call('SREM', TOMBSTONES, id) == 1 then
      call('LPOP', QUEUE .. list)
    elseif state[1] and state[1] ~= 'pending' then
      call('LPOP', QUEUE .. list)
      call('HINCRBY', COUNTERS, 'strays', 1)
    elseif not bodies[i] then
      drop_lost(list, id)
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

call('HSET', WORKER .. worker, 'seq', seq_text,
  'turn', fence_text .. (hold and '|1|' or '|0|') .. table.concat(refused, ' ') .. '|' .. table.concat(ids, ' '))
if solo ~= card[3] then
  if solo then call('HSET', WORKER .. worker, 'solo', solo) else call('HDEL', WORKER .. worker, 'solo') end
end
return {1, now, fence_text, wait, hold and 1 or 0, refused, claims}
