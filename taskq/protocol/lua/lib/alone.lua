-- alone: the turn of one task, as on an idle system, where somebody waits for it
-- USES    queue processing task state result status worker meta bell running counters waiters reply
-- USES    scheduled retention retained paused tombstones crowd limited bytes events
-- INCLUDE clock
-- What settles one at most, and claims one at most, or finds none. Between two such turns pass milliseconds, and then what
-- counts is how many kinds of commands there are, each of which is fetched anew, and not how often one is called. So
-- HMGET and LINDEX stand for all that could look at a hash or a list, and SMOVE as the first write looks at two sets.

-- Returns the reply; nothing, and has written nothing, if anything is unusual: that is for the other ways.
local function alone()
  if call('EXISTS', PAUSED, TOMBSTONES, CROWD, LIMITED, BYTES) > 0 then return end
  read_clock()
  local head = call('ZRANGE', SCHEDULED, '0', '0', 'WITHSCORES')
  local wait = head[1] and tonumber(head[2]) - now or -1
  if head[1] and wait <= 0 then return end

  local ended, result, ttl, slot, waiting
  if groups == 1 then
    local at = first_rest + lists
    ttl, ended, result = ARGV[at + 1], ARGV[at + 3], ARGV[at + 4]
    local record = call('HMGET', RUNNING, ended)[1]
    local beginning = ARGV[at] .. ' ' .. worker .. ' '
    if not record or string.sub(record, 1, #beginning) ~= beginning or string.byte(record, -1) ~= 45 then return end
    if not string.find(ttl, '^[1-9]%d*$') then return end
    local oldest = call('ZRANGE', RETENTION, '0', '0')[1]
    if oldest and (tonumber(oldest) or 0) <= now - 1000 then return end
    waiting = redis.pcall('SMEMBERS', WAITERS .. ended)
    if waiting.err then return end
    slot = string.format('%d', (math.floor((now + ttl) / 10000) + 1) * 10000)
    call('LINDEX', RETAINED .. slot, '0')
    if not string.find(call('HMGET', COUNTERS, 'completed')[1] or '0', '^%d+$') then return end
  end
  call('LINDEX', PROCESSING .. worker, '0')

  local id, list, body, last
  for i = 1, want > 0 and lists or 0 do
    list = ARGV[first_rest + i - 1]
    id = call('LINDEX', QUEUE .. list, '0')
    if id then break end
  end
  if id and want > 1 then return end
  if id then
    last = call('HMGET', META, 'fence')[1] or 0
    body = call('MGET', TASK .. id)[1]
    if not body or call('EXISTS', STATE .. id) == 1 then return end
    if not ended then call('HMGET', RUNNING, id) end
  end
  local seq_text, first = string.format('%d', seq), string.format('%d', math.max(now_us, (last or 0) + 1))
  if id then
    -- two writes that look for themselves: if the second one finds something else than sets, the first one is taken back
    if call('SMOVE', STATUS .. 'pending', STATUS .. 'running', id) == 0 then return end
  end
  if ended then
    local moved = redis.pcall('SMOVE', STATUS .. 'running', STATUS .. 'completed', ended)
    if moved ~= 1 then
      if id then call('SMOVE', STATUS .. 'running', STATUS .. 'pending', id) end
      return
    end
    call('HINCRBY', COUNTERS, 'completed', '1')
    local until_ms = string.format('%d', server_ms + ttl)
    call('SET', RESULT .. ended, result, 'PXAT', until_ms)
    call('PEXPIREAT', TASK .. ended, until_ms)
    call('LREM', PROCESSING .. worker, '1', ended)
    for _, waiter in ipairs(waiting) do
      if type(redis.pcall('RPUSH', REPLY .. waiter, ended .. ' ' .. result)) == 'number' then
        call('PEXPIRE', REPLY .. waiter, '60000')
      end
    end
    if waiting[1] then call('DEL', WAITERS .. ended) end
    call('HDEL', RUNNING, ended)
    if call('RPUSH', RETAINED .. slot, ended) == 1 then call('ZADD', RETENTION, slot, slot) end
  end

  if id then
    call('LMOVE', QUEUE .. list, PROCESSING .. worker, 'LEFT', 'RIGHT')
    call('HSET', RUNNING, id, first .. '.' .. token .. '.' .. seq_text .. ' ' .. worker .. ' ' .. list .. ' 1 '
      .. string.format('%d', now) .. ' -')
    call('HSET', META, 'fence', first)
  end
  if ring_on == 1 and lists > 0 then
    local keys, none = {}, not id and want > 0
    for i = 1, lists do keys[i] = (none and BELL or QUEUE) .. ARGV[first_rest + i - 1] end
    if none then
      call('DEL', unpack(keys))
    elseif call('EXISTS', unpack(keys)) > 0 then
      for i = 1, lists do
        local bell = BELL .. ARGV[first_rest + i - 1]
        if call('EXISTS', keys[i]) == 1 and call('EXISTS', bell) == 0 then call('RPUSH', bell, '1') end
      end
    end
  end
  if call('PUBSUB', 'NUMSUB', EVENTS)[2] > 0 or call('PUBSUB', 'NUMPAT') > 0 then
    -- COPY events
    if ended then emit_completed(ended, worker) end
    if id then emit_status(id, 'running', 'pending') end
  end
  call('HSET', WORKER .. worker, 'seq', seq_text, 'turn' .. seq % 2, seq_text .. '|' .. first .. '|0|')
  return {1, now, first, wait, 0, {}, id and {id} or {}, id and {body} or {}, {}, seq}
end
