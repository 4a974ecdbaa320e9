-- large: note for good that a namespace holds envelopes of more than a page, so that claims look at sizes from then on
-- USES large
-- a key of its own, so that whoever submits needs no right to write into meta
local has_large = false

-- reads only
local function check_size(body)
  has_large = has_large or #body > 4096
end

local function note_size()
  if has_large then call('SET', LARGE, '1') end
end
