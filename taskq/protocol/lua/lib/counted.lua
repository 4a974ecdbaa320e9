-- counted: by which limits a task is counted
-- "limited" names the types that have a limit, '*' stands for all of them; '#' before them: there are limits of keys.
local limited, keyed, type_keys = nil, false, {}
-- of the head that was read last: its type, its limit keys and how far behind the type they stand, and what counts it;
-- the next task mostly has the same ones, and comparing is cheaper than reading
local last_kind, last_keys, last_at, last_by, sub = '"', nil, 0, nil, string.sub

-- Returns the keys that count a task, with spaces between them: those of its own, then its type if that has a limit. The
-- head of an envelope has a fixed shape.
local function counted_by(id, body)
  local from = 18 + #id
  if sub(body, from, from + #last_kind - 1) == last_kind then
    if not keyed then return last_by end
    local at = from + last_at
    if last_keys and sub(body, at, at + #last_keys - 1) == last_keys then return last_by end
  end
  local kind = limited and string.match(body, '^([^"]*)"', from)
  if not kind then return nil end
  local by_type, keys = type_keys[kind], nil
  if by_type == nil then
    local counts = string.find(limited, '*', 1, true) or string.find(limited, ' ' .. kind .. ' ', 1, true)
    by_type = counts and not string.find(kind, '[^%w_.%-]') and 'type:' .. kind
    type_keys[kind] = by_type or false
    keyed = string.byte(limited) == 35
  end
  last_kind, last_keys, last_by = kind .. '"', nil, by_type or nil
  if keyed then
    local at
    at, keys = string.match(body, '^","created_at":"[^"]*()","limit_keys":%["([%w_.:%-",]*)"%]', from + #kind)
    if not keys then return last_by end
    last_at, last_keys = at - from, '","limit_keys":["' .. keys .. '"]'
    if string.find(keys, ',', 1, true) then
      local commas
      keys, commas = string.gsub(keys, '","', ' ')
      -- more than a task may have
      if commas > 3 then return last_by end
    end
    last_by = by_type and keys .. ' ' .. by_type or keys
  end
  return last_by
end
