-- mend_place: put right in how many places of the lists a task stands, or what stands beside the tasks
-- FLAGS   allow-oom
-- USES    status state queue tombstones retention retained unique queues slots bell workers leases worker task meta
-- USES    schedules sagas sequence blocked jams running successor gates woken result group grouped
-- USES    family children gathered
-- INCLUDE clock text bell retention sequence limits limited blocked unique family running groups lineup held
-- ARGV    verb name detail lease:number
-- REPLY   {what was done, in words}; nothing if nothing was wrong
-- To take an entry out of the middle of a list would cost time in proportion to the list.
local BURIED, AROUND = 'a tombstone put in place of an entry in ', 400
local LIVE, ENDED = {'pending', 'scheduled', 'running', 'retry', 'waiting'}, {'completed', 'failed', 'cancelled'}

-- the key of a list, or of a group in it: '<list>/<group key>'
local function place_key(place)
  return (string.find(place, '/', 1, true) and GROUP or QUEUE) .. place
end

local function in_one_of(statuses, id)
  for _, status in ipairs(statuses) do
    if call('SISMEMBER', STATUS .. status, id) == 1 then return true end
  end
end

-- puts a tombstone in place of an entry, at most some hundred before a place that is counted from the tail
local function put_stand_in(key, entry, offset, stand_in)
  local page = call('LRANGE', key, -offset - AROUND, -offset - 1)
  for i = #page, 1, -1 do
    if page[i] == entry then
      call('LSET', key, i - 1 - #page - offset, stand_in)
      return call('SADD', TOMBSTONES, stand_in)
    end
  end
end

-- a family waits for a child, and the child knows it
local function wait_for_child(id, family)
  local state, record = call('HMGET', STATE .. id, 'status', 'parents'), read_record(call('HGET', RUNNING, id))
  local knows = string.find(' ' .. (state[2] or '') .. ' ', ' ' .. family .. ' ', 1, true)
  if knows and call('HEXISTS', GATHERED .. family, id) == 1 then return end
  call('HSET', GATHERED .. family, id, '')
  if not knows then
    call('HSET', STATE .. id, 'status', state[1] or record and 'running' or 'pending',
      'parents', state[2] and state[2] .. ' ' .. family or family)
    if record then add_flag(id, record, 'h') end
  end
  return 'its end will be told'
end

-- what a family counts, and whether that makes it done; returns true if that is new
local function decide(name, completed, failed)
  local family = call('HMGET', FAMILY .. name, 'policy', 'need', 'total', 'task', 'done', 'completed', 'failed')
  local done = verdict(family[1], tonumber(family[2]), tonumber(family[3]), completed, failed) or false
  local counts = (tonumber(family[6]) or 0) == completed and (tonumber(family[7]) or 0) == failed
  if counts and done == family[5] then return end
  call('HSET', FAMILY .. name, 'completed', completed, 'failed', failed)
  if not done then
    call('HDEL', FAMILY .. name, 'done')
  else
    call('HSET', FAMILY .. name, 'done', done)
    wake(name, family[4])
  end
  return true
end

-- name is an id, a worker, a slot ...; detail is a list to push to, says of which entry there is one too many, or is the key of
-- a limit
local MEND = {
  push = function()
    if call('SISMEMBER', STATUS .. 'pending', name) == 0 then return end
    local group = group_of(name)
    if call('LPOS', QUEUE .. detail, name, 'MAXLEN', '1000') then return end
    if group and call('LPOS', group_key(detail, group), name, 'MAXLEN', '1000') then return end
    call('SREM', TOMBSTONES, name)
    call('LPUSH', QUEUE .. detail, name)
    ring(detail)
    return 'back at the head of ' .. detail
  end,
  -- An entry too many, at most some hundred before a place that is counted from the tail. That it is too many was found out
  -- in many steps: the task must not have moved since. nonce makes the id up that stands there instead; with its tombstone
  -- it is dropped when a claim meets it.
  bury = function()
    local list, offset, nonce, waits, tombstone, started, record = string.match(detail, '^(%S+) (%d+) (%S+) (%d) (%d) (%S*) (.*)$')
    local trail = {call('SISMEMBER', STATUS .. 'pending', name), call('SISMEMBER', TOMBSTONES, name),
      call('HGET', STATE .. name, 'started') or '', call('HGET', RUNNING, name) or ''}
    local stand_in = 'gone-' .. nonce
    if call('SISMEMBER', TOMBSTONES, stand_in) == 1 then return BURIED .. list end
    if table.concat(trail, ' ') ~= table.concat({waits, tombstone, started, record}, ' ') then return end
    return put_stand_in(place_key(list), name, offset, stand_in) and BURIED .. list
  end,
  -- A group has one entry in its list. detail: of one too many its place and a nonce, as above, or '- -', and who was the first
  -- of the group all the time the entries were counted, so that nobody has taken one meanwhile.
  group = function()
    local list, group = string.match(name, '^(.*)/(.*)$')
    local offset, nonce, first = string.match(detail, '^(%S+) (%S+) (.*)$')
    local entry, stand_in = '@' .. group, 'gone-' .. nonce
    if call('SISMEMBER', TOMBSTONES, stand_in) == 1 then return BURIED .. list end
    if (call('LINDEX', GROUP .. name, '0') or '') ~= first then return end
    if offset ~= '-' then return put_stand_in(QUEUE .. list, entry, offset, stand_in) and BURIED .. list end
    if call('LPOS', QUEUE .. list, entry, 'RANK', '-1', 'MAXLEN', '1000') then return end
    call('RPUSH', QUEUE .. list, entry)
    ring(list)
    return 'an entry for it at the tail of ' .. list
  end,
  -- detail: how the line stood all the time its groups were counted, and the number
  grouped = function()
    local stood, counted = string.match(detail, '^(.*) (%d+)$')
    if stood ~= how_it_stands(name) then return end
    call('HSET', GROUPED, '@', '1', name, counted)
    return counted .. ' noted'
  end,
  unbury = function() return call('SREM', TOMBSTONES, name) == 1 and 'its tombstone deleted' end,
  retain = function()
    if not in_one_of(ENDED, name) then return end
    call('ZCARD', RETENTION)
    local keep = math.max(call('PTTL', TASK .. name), 0)
    if call('LPOS', RETAINED .. slot_of(keep), name, 'RANK', '-1', 'MAXLEN', '1000') then return end
    retain({name}, slot_of(keep))
    return 'put into a retained list'
  end,
  unique = function()
    local holder = call('GET', UNIQUE .. name)
    if not holder or in_one_of(LIVE, holder) and call('HGET', STATE .. holder, 'unique') == name then return end
    if call('PTTL', UNIQUE .. name) >= 0 then return end
    check_unique(name)
    release_unique(holder, name, 0)
    return 'the key deleted'
  end,
  successor = function()
    local id, holder = call('GET', SUCCESSOR .. name), call('GET', UNIQUE .. name)
    local state = id and call('HMGET', STATE .. id, 'status', 'succeeds', 'behind')
    if not id then return end
    if state[1] ~= 'waiting' or state[2] ~= name then
      call('DEL', SUCCESSOR .. name)
      return id .. ' is no successor any more'
    end
    if in_one_of(LIVE, state[3] or '') or in_one_of(LIVE, holder or '') then return end
    check_unique(name)
    release_unique(holder, name, 0)
    return id .. ' starts'
  end,
  -- the first one is of another, or not live: whatever is left begins
  sequence = function()
    local first = call('ZRANGE', SEQUENCE .. name, '0', '0')[1]
    if not first or in_one_of(LIVE, first) and call('HGET', STATE .. first, 'sequence') == name then return end
    check_sequence(name)
    leave_sequence(first, name)
    return first .. ' taken out of it'
  end,
  permits = function()
    check_limits(name)
    local run = miscounted(name)
    if not run then return end
    set_permits(name, run)
    local key = string.match(name, '^=?(.*)$')
    if call('EXISTS', BLOCKED .. key) == 1 then look_again(key, now) end
    return 'counted again: ' .. run
  end,
  blocked = function()
    local state = call('HMGET', STATE .. name, 'status', 'blocked')
    call('ZCARD', JAMS)
    call('HLEN', WOKEN)
    if state[1] == 'waiting' and state[2] == detail or not call('ZSCORE', BLOCKED .. detail, name) then return end
    leave_blocked(name, detail)
    return 'taken out of it'
  end,
  children = function()
    if call('HEXISTS', FAMILY .. detail, 'total') == 0 then return end
    check_parents(detail)
    if (call('HGET', GATHERED .. detail, name) or '') ~= '' then return end
    if in_one_of(LIVE, name) then return wait_for_child(name, detail) end
    local status = 'lost'
    for _, ended in ipairs(ENDED) do
      if call('SISMEMBER', STATUS .. ended, name) == 1 then status = ended end
    end
    local result = call('GET', RESULT .. name) or gone_json(name, 'it ended, and nobody was told')
    call('HSET', GATHERED .. detail, name, '')
    count_down(name, detail, status, result)
    return 'its end was told'
  end,
  family = function()
    local family = call('HMGET', FAMILY .. name, 'total', 'completed', 'failed')
    check_parents(name)
    if not family[1] or call('LLEN', CHILDREN .. name) < call('HLEN', GATHERED .. name) then return end
    local owner, changed = string.match(name, '^(.-)/'), 0
    local kept = owner and in_one_of(LIVE, owner)
    for _, key in ipairs({FAMILY .. name, CHILDREN .. name, GATHERED .. name}) do
      if kept then
        changed = changed + call('PERSIST', key)
      elseif call('PTTL', key) == -1 then
        changed = changed + call('PEXPIRE', key, 3600000)
      end
    end
    local decided = decide(name, tonumber(family[2]) or 0, tonumber(family[3]) or 0)
    return decided and 'done if enough of its children are' or changed > 0 and 'expires with its parent'
  end,
  -- how many children have ended was found out in many steps: none must have ended since
  sums = function()
    local completed, failed, was = string.match(detail, '^(%d+) (%d+) (.*)$')
    check_parents(name)
    local counts = call('HMGET', FAMILY .. name, 'completed', 'failed', 'total')
    if not counts[3] or (counts[1] or 0) .. ' ' .. (counts[2] or 0) ~= was then return end
    return decide(name, tonumber(completed), tonumber(failed)) and 'counted again: ' .. completed .. ' completed, ' .. failed .. ' not'
  end,
  -- without its policy nobody knows when it is done: its parent is told when it looks for it
  remains = function()
    if call('HEXISTS', FAMILY .. name, 'total') == 1 then return end
    return call('UNLINK', FAMILY .. name, CHILDREN .. name, GATHERED .. name) > 0 and
      'deleted: no record says when it is done'
  end,
  jams = function()
    check_limits(name)
    if call('EXISTS', BLOCKED .. name) == 1 then
      look_again(name, now)
      return 'is looked at now'
    end
    return call('ZREM', JAMS, name) == 1 and 'is not looked at any more'
  end,
  gates = function()
    local gate, key = call('HGET', GATES, name), string.match(name, '^!(.*)$')
    if not gate then return end
    if not key then
      if string.find(gate, '^paused %d+$') then return end
      call('HSET', GATES, name, 'paused ' .. digits(now))
      return 'is paused since now'
    end
    if circuit_of(key) and (string.find(gate, '^open %d+ %d+$') or string.find(gate, '^half %S+$')) then return end
    check_limits(key)
    close_circuit(key)
    if call('EXISTS', BLOCKED .. key) == 1 then look_again(key, now) end
    return 'is open to all'
  end,
  limited = function()
    if names_all() then return end
    write_limited()
    return 'written anew'
  end,
  woken = function()
    return call('EXISTS', BLOCKED .. name) == 0 and call('HDEL', WOKEN, name) == 1 and 'taken away'
  end,
  retained = function() return call('ZADD', RETENTION, name, name) == 1 and 'listed for the sweep' end,
  queue = function() return call('SADD', QUEUES, string.match(name, '^(.*):')) == 1 and 'its queue listed' end,
  slots = function()
    return call('HEXISTS', SCHEDULES, name) == 0 and call('HDEL', SLOTS, name) == 1 and 'the slot deleted'
  end,
  sagas = function()
    return not in_one_of(LIVE, name) and not in_one_of(ENDED, name) and call('ZREM', SAGAS, name) == 1 and 'no saga any more'
  end,
  bell = function()
    if call('LLEN', BELL .. name) <= 8 then return end
    call('LTRIM', BELL .. name, '0', '7')
    return 'hints beyond the eighth deleted'
  end,
  -- whoever has a card may live: with a lease it beats, or is reaped; what others hold is handed back task by task
  workers = function()
    local known, lease_end = call('SISMEMBER', WORKERS, name) == 1, call('ZSCORE', LEASES, name)
    local card = call('EXISTS', WORKER .. name) == 1
    -- on the lease clock, as it was ticked last: whoever checks leases goes by that too
    local clock = call('HMGET', META, 'lease_tick', 'lease_credit')
    local until_ms = digits((clock[1] or now) - (clock[2] or 0) + lease)
    if known and lease_end then
      if tonumber(lease_end) <= until_ms + 1000 then return end
      call('ZADD', LEASES, until_ms, name)
      return 'its lease cut to one length'
    end
    if card then
      call('SADD', WORKERS, name)
      call('ZADD', LEASES, until_ms, name)
      return 'registered, with a lease'
    end
    if call('SREM', WORKERS, name) + call('ZREM', LEASES, name) > 0 then return 'forgotten' end
  end,
}
local words = MEND[verb]()
return words and {words} or {}
