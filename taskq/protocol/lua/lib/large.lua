-- large: note that a namespace holds envelopes of more than a page, so that claims look at sizes from then on
-- USES meta
local large = false

-- reads only
local function check_size(body)
  if large or #body <= 4096 then return end
  large = true
  call('HLEN', META)
end

local function note_size()
  if large then call('HSET', META, 'large', '1') end
end
