-- sweep: forget terminal ids whose keys have expired
-- USES    retention retained status dead task counters sagas
-- INCLUDE clock text retention
-- Called with settles for several times what was settled, so that memory stays flat at any rate.
local ENDED = {'completed', 'failed', 'cancelled'}

-- reads only: of ids with a body those that have ended all the same, by the slot at which to look again
local function outliving(ids)
  local kept = {}
  if #ids == 0 then return kept end
  local flags = {}
  for n, status in ipairs(ENDED) do flags[n] = call('SMISMEMBER', STATUS .. status, unpack(ids)) end
  for i, id in ipairs(ids) do
    local left = flags[1][i] + flags[2][i] + flags[3][i] > 0 and call('PTTL', TASK .. id) or -1
    if left >= 0 then
      local slot = slot_of(left)
      if not kept[slot] then
        kept[slot] = {}
        call('LLEN', RETAINED .. slot)
      end
      table.insert(kept[slot], id)
    end
  end
  return kept
end

local function sweep(limit)
  if limit < 1 then return 0 end
  -- a second late: in a script, keys expire by a clock that may lag behind the one told by TIME
  local slot = call('ZRANGEBYSCORE', RETENTION, '-inf', digits(now - 1000), 'LIMIT', '0', '1')[1]
  if not slot then return 0 end
  local gone, alive, ids, bodies = {}, {}, call('LRANGE', RETAINED .. slot, 0, limit - 1), {}
  local sets = {}
  for _, status in ipairs(ENDED) do
    if call('SCARD', STATUS .. status) > 0 then sets[#sets + 1] = status end
  end
  local any_dead, any_sagas = call('ZCARD', DEAD) > 0, call('ZCARD', SAGAS) > 0
  call('HLEN', COUNTERS)
  for i, id in ipairs(ids) do bodies[i] = TASK .. id end
  -- a task that was replayed, or whose end was put off, has its body still
  local all_gone = #ids > 0 and call('EXISTS', unpack(bodies)) == 0
  for i, id in ipairs(ids) do
    local list = (all_gone or call('EXISTS', bodies[i]) == 0) and gone or alive
    list[#list + 1] = id
  end
  local kept = outliving(alive)
  call('LTRIM', RETAINED .. slot, #ids, -1)
  if #ids < limit then
    call('ZREM', RETENTION, slot)
  end
  for later, same in pairs(kept) do retain(same, later) end
  if #gone == 0 then return #ids end
  -- an id may stand in two lists, or have been discarded since: only what was still known counts
  local forgotten = 0
  for _, status in ipairs(sets) do
    forgotten = forgotten + call('SREM', STATUS .. status, unpack(gone))
  end
  if any_dead then call('ZREM', DEAD, unpack(gone)) end
  if any_sagas then call('ZREM', SAGAS, unpack(gone)) end
  if forgotten > 0 then call('HINCRBY', COUNTERS, 'expired', forgotten) end
  return #ids
end
