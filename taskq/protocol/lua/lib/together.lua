-- together: room for some tasks at once
-- USES limits
-- INCLUDE room

-- Reads only. groups are ids by the keys that count them. Returns who is counted by each key, and by the words of a group, and
-- each key, what a run holds of it; nil if there is no room for all.
local function room_for_all(groups)
  local members, held, count = {}, {}, 0
  for keys, ids in pairs(groups) do
    if not members[keys] and not string.find(keys, ' ', 1, true) then
      members[keys], count = ids, count + 1
    else
      for key in string.gmatch(keys, '[^ ]+') do
        local known = members[key]
        members[key] = ids
        if known then
          -- of two groups
          members[key] = {unpack(known)}
          for _, id in ipairs(ids) do table.insert(members[key], id) end
        else
          count = count + 1
        end
      end
    end
  end
  if count > 2 then
    local names = {}
    for key in pairs(members) do names[#names + 1] = key end
    texts = {}
    for n, text in ipairs(call('HMGET', LIMITS, unpack(names))) do texts[names[n]] = text end
  end
  for key, ids in pairs(members) do
    local free, _, holds = room(key)
    if free < #ids then return nil end
    held[key] = holds and key
  end
  for keys in pairs(groups) do
    if held[keys] == nil then
      local words
      for key in string.gmatch(keys, '[^ ]+') do
        if held[key] then words = words and words .. ' ' .. key or key end
      end
      held[keys] = words or false
    end
  end
  return members, held
end
