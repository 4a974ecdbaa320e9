-- promote: move what has fallen due to the tails of its lists
-- USES scheduled state status queue
-- INCLUDE clock bell events
-- Returns how many were moved and the ms until the next one falls due (-1: nothing is scheduled).
local function promote(limit)
  local head = call('ZRANGE', SCHEDULED, 0, 0, 'WITHSCORES')
  if not head[1] then return 0, -1 end
  if tonumber(head[2]) > now then return 0, tonumber(head[2]) - now end
  local ids = call('ZRANGEBYSCORE', SCHEDULED, '-inf', now, 'LIMIT', 0, limit)
  local states = {}
  for i, id in ipairs(ids) do
    states[i] = call('HMGET', STATE .. id, 'status', 'list')
    if states[i][2] then call('LLEN', QUEUE .. states[i][2]) end
  end
  local moved, rung = 0, {}
  for i, id in ipairs(ids) do
    local status, list = states[i][1], states[i][2]
    call('ZREM', SCHEDULED, id)
    if status == 'scheduled' or status == 'retry' then
      call('RPUSH', QUEUE .. list, id)
      call('HSET', STATE .. id, 'status', 'pending')
      call('SMOVE', STATUS .. status, STATUS .. 'pending', id)
      emit_status(id, 'pending', status)
      moved = moved + 1
      if not rung[list] then
        rung[list] = true
        ring(list)
      end
    end
  end
  head = call('ZRANGE', SCHEDULED, 0, 0, 'WITHSCORES')
  return moved, head[1] and math.max(0, tonumber(head[2]) - now) or -1
end
