-- counted: by which limits a task is counted
-- "limited" names the types that have a limit, '*' stands for all of them; '#' before them: there are limits of keys.
local limited, type_keys = nil, {}

-- Returns the keys that count a task, with spaces between them: those of its own, then its type if that has a limit. The
-- head of an envelope has a fixed shape. Comes with what tells the place of these in another one: the text with its type, which
-- stands behind its id, how far behind that the text with its keys begins, if any, and its type if that counts; nothing if
-- only reading tells.
local function counted_by(id, body)
  local kind = limited and string.match(body, '^([^"]*)"', 18 + #id)
  if not kind then return nil end
  local by = type_keys[kind]
  if by == nil then
    local counts = string.find(limited, '*', 1, true) or string.find(limited, ' ' .. kind .. ' ', 1, true)
    by = counts and not string.find(kind, '[^%w_.%-]') and 'type:' .. kind
    type_keys[kind] = by or false
  end
  by = by or nil
  if string.byte(limited) ~= 35 then return by, kind .. '"' end
  local at, keys = string.match(body, '^","created_at":"[^"]*()","limit_keys":%["([%w_.:%-",]*)"%]', 18 + #id + #kind)
  if not keys then return by end
  if string.find(keys, ',', 1, true) then
    local commas
    keys, commas = string.gsub(keys, '","', ' ')
    -- more than a task may have
    if commas > 3 then return by end
  end
  return by and keys .. ' ' .. by or keys, kind .. '"', at - 18 - #id, by
end
