-- stale: ids that come back when the keys of an earlier task have expired, but have not been swept yet
-- USES status dead counters
-- Only ids of the user's own do. The earlier task is forgotten with the submit of the new one.
local AT_ONCE = 4000  -- words that one command is given
local stale = {}

-- reads only: which of some new ids are still known as those of tasks that have ended
local function look_for_stale(ids)
  for _, status in ipairs({'completed', 'failed', 'cancelled'}) do
    for from = 1, #ids, AT_ONCE do
      local flags = call('SMISMEMBER', STATUS .. status, unpack(ids, from, math.min(from + AT_ONCE - 1, #ids)))
      for n, flag in ipairs(flags) do
        if flag == 1 then stale[#stale + 1] = {status, ids[from + n - 1]} end
      end
    end
  end
  if #stale > 0 then call('ZCARD', DEAD) end
end

-- the caller has made sure that counters can be written
local function forget_stale()
  for _, entry in ipairs(stale) do
    call('SREM', STATUS .. entry[1], entry[2])
    call('ZREM', DEAD, entry[2])
    call('HINCRBY', COUNTERS, 'expired', '1')
  end
end
