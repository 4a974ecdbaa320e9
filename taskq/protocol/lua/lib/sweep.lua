-- sweep: forget terminal ids whose keys have expired
-- USES retention retained status dead task counters sagas
-- INCLUDE clock text
-- Called with settles for several times what was settled, so that memory stays flat at any rate.
local function sweep(limit)
  if limit < 1 then return 0 end
  -- a second late: in a script, keys expire by a clock that may lag behind the one told by TIME
  local slot = call('ZRANGEBYSCORE', RETENTION, '-inf', digits(now - 1000), 'LIMIT', '0', '1')[1]
  if not slot then return 0 end
  local gone, ids, bodies = {}, call('LRANGE', RETAINED .. slot, 0, limit - 1), {}
  for _, status in ipairs({'completed', 'failed', 'cancelled'}) do call('SCARD', STATUS .. status) end
  call('ZCARD', DEAD)
  call('ZCARD', SAGAS)
  call('HLEN', COUNTERS)
  for i, id in ipairs(ids) do bodies[i] = TASK .. id end
  -- a task that was replayed, or whose end was put off, has its body still
  local all_gone = #ids > 0 and call('EXISTS', unpack(bodies)) == 0
  for i, id in ipairs(ids) do
    if all_gone or call('EXISTS', bodies[i]) == 0 then gone[#gone + 1] = id end
  end
  call('LTRIM', RETAINED .. slot, #ids, -1)
  if #ids < limit then
    call('ZREM', RETENTION, slot)
  end
  if #gone == 0 then return #ids end
  -- an id may stand in two lists, or have been discarded since: only what was still known counts
  local forgotten = 0
  for _, status in ipairs({'completed', 'failed', 'cancelled'}) do
    forgotten = forgotten + call('SREM', STATUS .. status, unpack(gone))
  end
  call('ZREM', DEAD, unpack(gone))
  call('ZREM', SAGAS, unpack(gone))
  if forgotten > 0 then call('HINCRBY', COUNTERS, 'expired', forgotten) end
  return #ids
end
