-- mend_place: put right in how many places of the lists a task stands, or what stands beside the tasks
-- FLAGS   allow-oom
-- USES    status state queue tombstones retention retained unique queues slots bell workers leases worker task meta
-- USES    schedules sagas sequence permits blocked jams running successor group grouped
-- INCLUDE clock text bell retention sequence limits unique groups misgrouped
-- ARGV    verb name detail lease:number
-- REPLY   {what was done, in words}; nothing if nothing was wrong
-- An entry too many becomes a tombstone, which the claim drops: to take it out of the middle of a list would cost time in
-- proportion to the list.
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

-- name is an id, a worker, a slot ...; detail is a list to push to, or the two lists (or twice the same) of two entries
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
  -- of a task that waits one entry must stay, and only here a list is looked through to be sure of it
  bury = function()
    local first, second = string.match(detail, '^(%S+) (%S+)$')
    local entries = #call('LPOS', place_key(first), name, 'COUNT', '3')
    if second ~= first then entries = entries + #call('LPOS', place_key(second), name, 'COUNT', '3') end
    local wanted = call('SISMEMBER', STATUS .. 'pending', name) + call('SISMEMBER', TOMBSTONES, name)
    if entries <= wanted then return end
    if call('SADD', TOMBSTONES, name) == 1 then return 'an entry in ' .. second .. ' is dropped when a claim meets it' end
    if call('LREM', place_key(second), '-1', name) == 1 then return 'an entry taken out of ' .. second end
  end,
  group = function()
    local entries, wanted = entries_of(name)
    local list, group = string.match(name, '^(.*)/(.*)$')
    if entries < wanted then
      call('RPUSH', QUEUE .. list, '@' .. group)
      ring(list)
      return 'an entry for it at the tail of ' .. list
    end
    if entries > wanted then
      for _ = wanted + 1, entries do call('LREM', QUEUE .. list, '-1', '@' .. group) end
      return 'entries for it taken out of ' .. list
    end
  end,
  grouped = function()
    local noted, counted = count_grouped(name)
    if noted == counted then return end
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
    local before = call('SCARD', PERMITS .. name)
    for _, id in ipairs(call('SRANDMEMBER', PERMITS .. name, 1000)) do
      local held = string.match(call('HGET', RUNNING, id) or '', '^%S+ %S+ %S+ %d+ %d+( .* )%S+$')
      if not string.find(held or '', ' ' .. name .. ' ', 1, true) then call('SREM', PERMITS .. name, id) end
    end
    local gone = before - call('SCARD', PERMITS .. name)
    if gone > 0 and call('EXISTS', BLOCKED .. name) == 1 then look_again(name, now) end
    return gone > 0 and digits(gone) .. ' permits given back'
  end,
  blocked = function()
    check_limits(name)
    for _, id in ipairs(call('ZRANGE', BLOCKED .. name, '0', '999')) do
      local state = call('HMGET', STATE .. id, 'status', 'blocked')
      if state[1] ~= 'waiting' or state[2] ~= name then call('ZREM', BLOCKED .. name, id) end
    end
    if call('EXISTS', BLOCKED .. name) == 1 then look_again(name, now) else call('ZREM', JAMS, name) end
    return 'is looked at now'
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
    -- on the lease clock
    local until_ms = now - (call('HGET', META, 'lease_credit') or 0) + lease
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
