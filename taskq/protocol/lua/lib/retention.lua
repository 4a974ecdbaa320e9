-- retention: remember when an ended task may be forgotten
-- USES retention retained
-- INCLUDE clock text
-- Ids stand in one list per ten seconds of expiry, the sorted set names the lists: a third of the memory of a sorted
-- set of ids, and one push for a whole batch. An id that lives again or ends anew stands in a later list as well.
local slots = {}
local function slot_of(ttl)
  local slot = slots[ttl]
  if not slot then
    slot = digits((math.floor((now + ttl) / 10000) + 1) * 10000)
    slots[ttl] = slot
  end
  return slot
end

local function retain(ids, slot)
  if call('RPUSH', RETAINED .. slot, unpack(ids)) == #ids then call('ZADD', RETENTION, slot, slot) end
end
