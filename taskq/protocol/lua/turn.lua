-- turn: settle what has finished and claim up to the free slots, in one round trip
-- FLAGS   allow-oom
-- USES    queue processing task state result status worker meta bell running counters awaited waiters reply paused
-- USES    crowd tombstones scheduled retention retained events large limited permits sole grouped bytes
-- INCLUDE clock bodies text events bell settle promote sweep running counted room gates tallying claim weights noted
-- BRANCH  rounds alone together apart
-- ARGV    worker token seq:number want:number ring_on:number lists:number groups:number others:number rest*
-- REPLY   {code, now ms, fence of the first claim, ms to the next due task or -1, hold, {refused ids},
--         {ids}, {body per id}, {attempt, retries (see lib/noted) per id; empty if all are new}, seq}: the turn is done;
--         {0, seq} the worker is not registered; {-1, seq} it comes too late: turns with higher numbers were seen
-- The claims of a turn share one fence word, and are numbered on from its first part. rest is the names of the lists to
-- walk in order, then what has finished (see lib/settle). ring_on is 1 if the worker may have taken a hint since its last
-- turn: whatever is left then rings again, as it does when bodies are too large for all that is wanted. Two turns of a
-- worker may be on their way at a time: a repetition of one of the last two returns what the first one returned and
-- changes nothing. An older one, or one that a later one has overtaken, is refused, so it cannot claim for nobody when the
-- worker has given it up.

local SWEPT = 8  -- ids that are looked at for each that is settled, so that memory stays flat

-- The short way, written out before any fragment is made: what ends is completed and new tasks take its place. Nearly
-- every turn is one. Whatever is unusual breaks off before the first write and leaves it to the long way, which can do
-- all of it; a test compares the two.
-- CLOCK
repeat
  local card = call('HMGET', WORKER .. worker, 'token', 'seq', 'solo', 'sidings')
  if card[1] ~= token or card[3] or card[4] or seq <= tonumber(card[2] or 0) then break end
  if others == 0 and (groups == 0 and want == 1 or groups == 1 and ARGV[first_rest + lists + 2] == '1') then
    -- COPY alone
    local reply = alone()
    if reply then return reply end
  end
  local weighed
  local special, waited, large, counting = call('EXISTS', AWAITED, PAUSED, TOMBSTONES, LARGE, LIMITED, BYTES), false, false, nil
  if special > 0 then
    counting = call('GET', LIMITED)
    if special > (counting and 1 or 0) then
      if call('EXISTS', PAUSED, TOMBSTONES, CROWD) > 0 then break end
      local sizes = call('EXISTS', LARGE, BYTES)
      weighed = sizes > 0 and call('EXISTS', BYTES) == 1
      large = sizes > (weighed and 1 or 0)
      waited = special > (counting and 1 or 0) + sizes
    end
  end
  read_clock()
  local head = call('ZRANGE', SCHEDULED, '0', '0', 'WITHSCORES')
  local wait = head[1] and tonumber(head[2]) - now or -1
  if head[1] and wait <= 0 then break end

  local usual, settles, ended, results, waiters, ttl, slot, at_head = others == 0, 0, {}, {}, {}, nil, nil, 0
  local sweeping = false
  -- keys of those who give permits back, and behind them of those who are counted by limits; how many keys these are, and the
  -- first of them; by how many of each, if not one; and the place of each key, among what ends if anything does
  local names, total, before, leaves, comes, given = nil, 0, 0, nil, nil, nil
  -- keys that only one who ends holds, in the place of texts that were looked at, and their number, see lib/apart
  local beginnings, leaving = nil, 0
  if groups > 0 and usual then
    local at = first_rest + lists
    given, beginnings = {}, {}
    ttl = ARGV[at + 1]
    for _ = 1, groups do
      if ARGV[at + 1] ~= ttl then usual = false end
      local beginning, after = ARGV[at] .. ' ' .. worker .. ' ', at + 3 + 2 * ARGV[at + 2]
      for i = at + 3, after - 1, 2 do
        settles = settles + 1
        ended[settles], results[settles], beginnings[settles] = ARGV[i], ARGV[i + 1], beginning
      end
      at = after
    end
    local records, known, of, lead, place, sole = call('HMGET', RUNNING, unpack(ended)), nil, nil, nil, nil, nil
    local find, sub, byte = string.find, string.sub, string.byte
    for n = 1, settles do
      local id, record, beginning = ended[n], records[n], beginnings[n]
      -- those that were claimed together from one list have the same record, but for the keys whose permits they hold
      if record == known and beginning == of then
        if place then leaves[place] = (leaves[place] or 1) + 1 end
      elseif sole and record and beginning == of and find(record, lead, 1, true) == 1 and sub(record, -2) == ' l' then
        leaving, beginnings[leaving + 1] = leaving + 1, sub(record, #lead + 1, -3)
      else
        if not (lead and record and beginning == of and find(record, lead, 1, true) == 1) then
          if not record or find(record, beginning, 1, true) ~= 1 then
            usual = false
            break
          end
          of, lead, sole = beginning, nil, nil
        end
        known, place = record, nil
        local space, flag = byte(record, -2, -1)
        if flag ~= 45 then
          local at = lead and #lead + 1 or string.match(record, '^%S+ %d+ %d+ =?()', #beginning + 1)
          if space ~= 32 or flag ~= 108 or not at or at > #record - 2 then
            usual = false
            break
          end
          if not lead then lead, sole = sub(record, 1, at - 1), byte(record, at - 1) == 61 end
          local keys = sub(record, at, -3)
          place = not sole and given[keys]
          if sole then
            leaving, beginnings[leaving + 1] = leaving + 1, keys
          elseif not place then
            total = total + 1
            -- in place of a record that was looked at
            names, place, leaves = records, total, leaves or {}
            names[total], given[keys] = keys, total
          elseif place == true then
            usual = false
            break
          else
            leaves[place] = (leaves[place] or 1) + 1
          end
        end
      end
      if given[id] then
        usual = false
        break
      end
      given[id] = true
      if waited and call('EXISTS', WAITERS .. id) == 1 then waiters[n] = call('SMEMBERS', WAITERS .. id) end
    end
    before = total
    if not usual or not string.find(ttl, '^[1-9]%d*$') then break end
    local oldest = call('ZRANGE', RETENTION, '0', '0')[1]
    sweeping = oldest and (tonumber(oldest) or 0) <= now - 1000
    -- what began first usually ends first, and then stands at the head of its list
    for _, id in ipairs(call('LRANGE', PROCESSING .. worker, '0', settles - 1)) do
      if given[id] == true then at_head = at_head + 1 end
    end
    slot = string.format('%d', (math.floor((now + ttl) / 10000) + 1) * 10000)
    call('LLEN', RETAINED .. slot)
    call('SCARD', STATUS .. 'running')
    call('SCARD', STATUS .. 'completed')
  end
  if not usual then break end

  local ids, bodies, taken, count, last, cut, lighten = {}, {}, {}, 0, 0, false, nil
  -- by which keys of limits each is counted, and of these which it is to hold; or a key for each that nobody else holds
  local counts, held, apart, keys
  -- behind which entries of their lists those stand that have a group, and the function that takes one from there
  local entries, take_next
  for i = 1, want > 0 and lists or 0 do
    local found = call('LRANGE', QUEUE .. ARGV[first_rest + i - 1], '0', want - count - 1)
    taken[i] = #found
    if count == 0 then ids = found else for n = 1, #found do ids[count + n] = found[n] end end
    count = count + #found
    if count == want then break end
  end
  if count > 0 then
    keys = {}
    last = call('HGET', META, 'fence') or 0
    for n = 1, count do keys[n] = TASK .. ids[n] end
    if large then
      -- COPY bodies
      local wanted = count
      bodies, count = fetch(keys, true)
      clip(ids, taken, count)
      cut = count < wanted
    else
      bodies = call('MGET', unpack(keys))
    end
    for n = 1, count do keys[n] = STATE .. ids[n] end
    if call('EXISTS', unpack(keys, 1, count)) > 0 then break end
    for n = 1, count do
      if not bodies[n] then usual = false end
    end
    if not usual and not large then
      -- COPY rounds
      ids, entries, taken, count, bodies = look_around()
      usual, take_next = ids ~= nil, take_of_group
    end
    if not usual then break end
  end
  if leaving > 0 or counting == '#' and total ~= 1 and count > 0 then
    -- COPY apart
    usual, apart = come_apart(beginnings, leaving, ids, bodies, counting == '#' and count or 0, given or {})
    if not usual then break end
    counts = apart
  end
  if count > 0 then
    if counting and not apart then
      -- COPY counted
      limited = counting
      local by, kind, keys_at, type_key, last
      local sub, match, places = string.sub, string.match, keys
      names, given, leaves, comes = names or {unpack(ids)}, given or {}, leaves or {}, {}
      for n = 1, count do
        local body, from = bodies[n], 18 + #ids[n]
        -- comparing is cheaper than reading, and most are like the one before
        local own = keys_at and match(body, '^","limit_keys":%["([%w_.:%-]+)"%]', from + keys_at)
        if not kind or sub(body, from, from + #kind - 1) ~= kind or keys_at and not own then
          by, kind, keys_at, type_key = counted_by(ids[n], body)
          last = nil
        elseif own ~= last then
          by, last = type_key and own .. ' ' .. type_key or own, own
        end
        local place = by and given[by]
        if place == true then
          usual = false
          break
        elseif not by then
          places[n] = false
        else
          if not place then
            total = total + 1
            place, names[total], given[by] = total, by, total
          else
            comes[place] = (comes[place] or place > before and 1 or 0) + 1
          end
          places[n], counts = place, places
        end
      end
      if not usual then break end
    end
    if weighed then
      -- COPY weights
      lighten = unweigh
    end
    if settles == 0 then
      call('HLEN', RUNNING)
      call('SCARD', STATUS .. 'running')
      call('SCARD', STATUS .. 'completed')
    else
      call('HLEN', COUNTERS)
    end
  end
  if settles == 0 then call('LLEN', PROCESSING .. worker) end
  -- fields of permits, keys of circuits that count completions, and of limits with a rate; and the function that notes starts
  local written, writes, gone, goes, tallied, rated, note_start
  if total > 0 then
    -- COPY together
    local exact = not counting or string.find(counting, ':', 1, true)
    written, writes, gone, goes, held, tallied, rated = exchange_permits(names, total, before, leaves, comes or {}, exact)
    if not written then break end
    if rated then
      -- COPY pace
      note_start = start_with
      local sound = true
      for key, rate in pairs(rated) do
        rate[1] = limit_in(rate[1])
        local known, free = pcall(starts_left, key, rate[1])
        sound = sound and known and free >= rate[2]
      end
      if not sound then break end
    end
  end
  if sweeping then
    -- COPY sweep
    sweep(math.min(settles * SWEPT, 1000))
  end

  -- The first write needs no check before it, and tells at no price whether all of them were pending. If not (an id that
  -- a foreign hand has put into a list, or one that stands there twice), the long way deals with it, as if this had not
  -- been: what has no state and neither runs nor is completed was pending.
  if count > 0 and call('SREM', STATUS .. 'pending', unpack(ids)) < count then
    local running = call('SMISMEMBER', STATUS .. 'running', unpack(ids))
    local completed = call('SMISMEMBER', STATUS .. 'completed', unpack(ids))
    for n = 1, count do
      if running[n] + completed[n] == 0 then call('SADD', STATUS .. 'pending', ids[n]) end
    end
    break
  end

  if lighten then lighten(ids) end
  if settles > 0 then
    call('HINCRBY', COUNTERS, 'completed', settles)
    local until_ms = string.format('%d', server_ms + ttl)
    for n = 1, settles do
      local id = ended[n]
      call('SET', RESULT .. id, results[n], 'PXAT', until_ms)
      call('PEXPIREAT', TASK .. id, until_ms)
      if at_head < settles then call('LREM', PROCESSING .. worker, '1', id) end
      if waiters[n] then
        for _, waiter in ipairs(waiters[n]) do
          if type(redis.pcall('RPUSH', REPLY .. waiter, id .. ' ' .. results[n])) == 'number' then
            call('PEXPIRE', REPLY .. waiter, '60000')
          end
        end
        call('DEL', WAITERS .. id)
      end
    end
    if at_head == settles then call('LTRIM', PROCESSING .. worker, settles, '-1') end
    call('HDEL', RUNNING, unpack(ended))
    call('SREM', STATUS .. 'running', unpack(ended))
    call('SADD', STATUS .. 'completed', unpack(ended))
    if call('RPUSH', RETAINED .. slot, unpack(ended)) == settles then call('ZADD', RETENTION, slot, slot) end
  end

  local seq_text, first = string.format('%d', seq), string.format('%d', math.max(now_us, last + 1))
  if count > 0 then
    local records, n = {}, 0
    for i = 1, #taken do
      local list = ARGV[first_rest + i - 1]
      local from, to, run, record, known = QUEUE .. list, PROCESSING .. worker, nil, nil, nil
      if taken[i] > 0 then
        run = first .. '.' .. token .. '.' .. seq_text .. ' ' .. worker .. ' ' .. list .. ' 1 '
          .. string.format('%d', now) .. ' '
        record = run .. '-'
      end
      local behind = 0
      for _ = 1, taken[i] do
        n = n + 1
        local group = entries and entries[n]
        if group then behind = behind + take_next(group, from, to) else call('LMOVE', from, to, 'LEFT', 'RIGHT') end
        local key = counts and counts[n]
        if key and not apart then key = held[key] end
        if key ~= known then
          known, record = key, key and (apart and run .. '=' .. key .. ' l' or run .. key .. ' l') or run .. '-'
        end
        records[2 * n - 1], records[2 * n] = ids[n], record
      end
      if behind > 0 then call('HINCRBY', GROUPED, list, -behind) end
    end
    call('HSET', RUNNING, unpack(records))
    call('SADD', STATUS .. 'running', unpack(ids))
    call('HSET', META, 'fence', string.format('%d', first + count - 1))
  end
  if leaving > 0 then call('SREM', SOLE, unpack(beginnings, 1, leaving)) end
  if apart then call('SADD', SOLE, unpack(apart)) end
  if written then
    if writes > 0 then call('HSET', PERMITS, unpack(written, 1, writes)) end
    if goes > 0 then call('HDEL', PERMITS, unpack(gone, 1, goes)) end
    for key, rate in pairs(rated or {}) do note_start(key, rate[1], rate[2]) end
    if tallied then
      -- COPY tallying
      for _, one in ipairs(tallied) do count_answers(one[1], one[2], one[3], 0) end
    end
  end
  if (ring_on == 1 or cut) and lists > 0 then
    local bells, queues = {}, {}
    for i = 1, lists do bells[i], queues[i] = BELL .. ARGV[first_rest + i - 1], QUEUE .. ARGV[first_rest + i - 1] end
    -- if there were fewer than are wanted, all of them are taken
    if (cut or count == want) and call('EXISTS', unpack(queues)) > 0 then
      for i = 1, lists do
        if call('EXISTS', queues[i]) == 1 and call('EXISTS', bells[i]) == 0 then call('RPUSH', bells[i], '1') end
      end
    elseif count == 0 and want > 0 then
      call('DEL', unpack(bells))
    end
  end
  if call('PUBSUB', 'NUMSUB', EVENTS)[2] > 0 or call('PUBSUB', 'NUMPAT') > 0 then
    -- COPY events
    for n = 1, settles do emit_completed(ended[n], worker) end
    for n = 1, count do emit_status(ids[n], 'running', 'pending') end
  end
  call('HSET', WORKER .. worker, 'seq', seq_text, 'turn' .. seq % 2, seq_text .. '|' .. first .. '|0|')
  return {1, now, first, wait, 0, {}, ids, bodies, {}, seq}
until true

-- FRAGMENTS
local card = call('HMGET', WORKER .. worker, 'token', 'seq', 'solo', 'sidings')
if card[1] ~= token then return {0, seq} end
sidings = card[4] or nil
local last = tonumber(card[2] or 0)
if seq <= last then
  return noted(seq) or {-1, seq}
end

-- everything is read, and so type-checked, before the first write: the server does not roll a script back
local refused = check_settles(groups, others, first_rest + lists)
local due = until_next()
fallen_due(100, due)
local candidates = look_for_claims(due, card[3] or nil)

-- the sweep reads something yet
sweep(math.min(settled() * SWEPT, 1000))
settle_all()
local _, wait = promote(100, rescheduled and until_next() or due)
local claims = claim(candidates)
if jammed then wait = until_next() end

-- whoever waits for room in a queue; nobody can without being awaited
if special and (#claims.ids > 0 or claims.lighter) and call('EXISTS', CROWD) == 1 then
  local rung = {}
  for i = 1, lists do
    local queue = string.match(ARGV[first_rest + i - 1], '^(.*):') or 'default'
    if not rung[queue] then ring('@room:' .. queue) end
    rung[queue] = true
  end
end

if (ring_on == 1 or claims.cut) and lists > 0 then
  -- work left behind rings on, so that one hint wakes as many workers as there is work for; no work at all clears the
  -- bells of stale hints
  local bells, left = {}, false
  for i = 1, lists do
    local list = ARGV[first_rest + i - 1]
    bells[i] = BELL .. list
    if not is_paused(list) and call('EXISTS', QUEUE .. list) == 1 then
      left = true
      if call('EXISTS', bells[i]) == 0 then call('RPUSH', bells[i], '1') end
    end
  end
  if not left and #claims.ids == 0 and want > 0 then call('DEL', unpack(bells)) end
end

call('HSET', WORKER .. worker, 'seq', digits(seq),
  'turn' .. seq % 2, digits(seq) .. '|' .. claims.first .. (claims.hold and '|1|' or '|0|') .. table.concat(refused, ' '))
if claims.solo ~= (card[3] or nil) then
  if claims.solo then call('HSET', WORKER .. worker, 'solo', claims.solo) else call('HDEL', WORKER .. worker, 'solo') end
end
return {1, now, claims.first, wait, claims.hold and 1 or 0, refused, claims.ids, claims.bodies, claims.counts, seq}
