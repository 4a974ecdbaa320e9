-- promote: move what has fallen due to the tails of its lists, and what has waited for a signal too long to their heads
-- USES scheduled state status queue
-- INCLUDE clock text bell events limits groups weights
local function until_next()
  local head = call('ZRANGE', SCHEDULED, '0', '0', 'WITHSCORES')
  return head[1] and math.max(0, tonumber(head[2]) - now) or -1
end

-- reads only: the ids that have fallen due, and status and list of each
local function fallen_due(limit, wait)
  local ids, states = {}, {}
  if wait ~= 0 then return ids, states end
  ids = call('ZRANGEBYSCORE', SCHEDULED, '-inf', now, 'LIMIT', 0, limit)
  for i, id in ipairs(ids) do
    states[i] = call('HMGET', STATE .. id, 'status', 'list', 'waits', 'late')
    if id == '@limits' then check_jams() end
    if states[i][2] then
      states[i].group = group_of(id)
      check_line(states[i][2], states[i].group)
    end
  end
  for _, status in ipairs({'pending', 'scheduled', 'retry', 'waiting'}) do call('SCARD', STATUS .. status) end
  return ids, states
end

-- Returns how many were moved and the ms until the next one falls due (-1: nothing is scheduled).
local function promote(limit, wait)
  if wait ~= 0 then return 0, wait end
  local ids, states = fallen_due(limit, wait)
  local moved, rung = 0, {}
  for i, id in ipairs(ids) do
    local status, list = states[i][1], states[i][2]
    if id == '@limits' then look_at_jams() else call('ZREM', SCHEDULED, id) end
    if status == 'scheduled' or status == 'retry' or status == 'waiting' then
      if status == 'waiting' then
        call('LPUSH', QUEUE .. list, id)
        local number = string.match(states[i][3] or '', '^[^ ]+')
        call('HSET', STATE .. id, 'status', 'pending', 'queued', digits(now), 'late', (states[i][4] or '') .. ' ' .. (number or ''))
      else
        line_up(id, list, states[i].group)
        call('HSET', STATE .. id, 'status', 'pending', 'queued', digits(now))
      end
      call('SMOVE', STATUS .. status, STATUS .. 'pending', id)
      weigh(id, list)
      emit_status(id, 'pending', status)
      moved = moved + 1
      if not rung[list] then
        rung[list] = true
        ring(list)
      end
    end
  end
  return moved, until_next()
end
