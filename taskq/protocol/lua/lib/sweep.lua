-- sweep: forget terminal ids whose keys have expired
-- USES retention retained status dead task counters
-- INCLUDE clock
-- Called with every settle for a little more than was settled, so that memory stays flat at any rate.
local function sweep(limit)
  local slot = call('ZRANGEBYSCORE', RETENTION, '-inf', now, 'LIMIT', 0, 1)[1]
  if not slot then return 0 end
  local gone, ids = {}, call('LRANGE', RETAINED .. slot, 0, limit - 1)
  for _, id in ipairs(ids) do
    -- a task that was replayed, or whose end was put off, has its body still
    if call('EXISTS', TASK .. id) == 0 then gone[#gone + 1] = id end
  end
  call('LTRIM', RETAINED .. slot, #ids, -1)
  if #ids < limit then
    call('ZREM', RETENTION, slot)
  end
  if #gone == 0 then return #ids end
  for _, status in ipairs({'completed', 'failed', 'cancelled'}) do call('SREM', STATUS .. status, unpack(gone)) end
  call('ZREM', DEAD, unpack(gone))
  call('HINCRBY', COUNTERS, 'expired', #gone)
  return #ids
end
