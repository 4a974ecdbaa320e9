-- bodies: fetch the envelopes of what is about to be claimed, no more than one reply should carry
-- The server is a millisecond or two over each megabyte, and serves nobody else meanwhile. A namespace that was ever
-- given an envelope of more than a page says so in its meta; others are not asked for sizes.
local MOST_BYTES = 524288
local fetched = 0  -- bytes since somebody has begun to look for claims

-- returns what stands under the first of these keys, of as many as fit but one at least, and their number
local function fetch(keys, large)
  if not large then return call('MGET', unpack(keys)), #keys end
  local bodies = {}
  for n, key in ipairs(keys) do
    if fetched > MOST_BYTES then return bodies, n - 1 end
    bodies[n] = call('GET', key)
    fetched = fetched + (bodies[n] and #bodies[n] or 0)
  end
  return bodies, #keys
end

-- leaves the first ids only, and the same of the numbers per list
local function clip(ids, taken, most)
  for n = #ids, most + 1, -1 do ids[n] = nil end
  for i = 1, #taken do
    taken[i] = math.min(taken[i], most)
    most = most - taken[i]
  end
end
