-- counted: by which limits a task is counted
-- "limited" names the types that have a limit, '*' stands for all of them; '#' before them: there are limits of keys.
local limited, keyed, type_keys = nil, false, {}

-- Returns the keys that count a task, with spaces between them: those of its own, then its type if that has a limit. The
-- head of an envelope has a fixed shape.
local function counted_by(id, body)
  local kind = limited and string.match(body, '^([^"]*)"', 18 + #id)
  if not kind then return nil end
  local by_type, keys = type_keys[kind], nil
  if by_type == nil then
    local counts = string.find(limited, '*', 1, true) or string.find(limited, ' ' .. kind .. ' ', 1, true)
    by_type = counts and not string.find(kind, '[^%w_.%-]') and 'type:' .. kind
    type_keys[kind] = by_type or false
    keyed = string.byte(limited) == 35
  end
  if keyed then
    local at = 18 + #id + #kind
    keys = string.match(body, '^","created_at":"[^"]*","limit_keys":%["([%w_.:%-",]*)"%]', at)
  end
  if not keys then return by_type or nil end
  if string.find(keys, ',', 1, true) then
    local commas
    keys, commas = string.gsub(keys, '","', ' ')
    -- more than a task may have
    if commas > 3 then return by_type or nil end
  end
  return by_type and keys .. ' ' .. by_type or keys
end
