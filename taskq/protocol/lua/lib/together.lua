-- together: the permits that all who end and begin in a turn give back and take
-- USES permits limits gates circuits jams tallies
-- Reads only. What comes and goes by one key is one number, and nothing is written if that stays as it is.
-- A hash of short fields is looked through from its first one on each time; not if one of them is as long as this.
local LONG = 'of each key of a limit: how many of the tasks that run hold a permit'

local function each_of(first, second)
  local keys, count = {}, 0
  for key in pairs(first) do
    count = count + 1
    keys[count] = key
  end
  for key in pairs(second) do
    if not first[key] then
      count = count + 1
      keys[count] = key
    end
  end
  return keys, count
end

local function by_single_keys(counts)
  local single = {}
  for keys, count in pairs(counts) do
    for key in string.gmatch(keys, '[^ ]+') do single[key] = (single[key] or 0) + count end
  end
  return single
end

-- Returns what a hash has for each of some keys, or else for its name; nil if that is no hash.
local function rules_of(hash, keys, count)
  local asked, total, lead, place = {}, count, nil, {}
  for n = 1, count do
    local key = keys[n]
    asked[n] = key
    if not lead or string.sub(key, 1, #lead) ~= lead then
      lead = string.match(key, '^[^:]*:')
      if lead then
        total = total + 1
        asked[total] = string.sub(lead, 1, -2)
      end
    end
    place[n] = lead and total
  end
  local found = count > 0 and redis.pcall('HMGET', hash, unpack(asked)) or {}
  if found.err then return nil end
  for n = 1, count do found[n] = found[n] or place[n] and found[place[n]] end
  return found
end

-- Returns whether there are circuits, and what of leaving they tally: keys, times and how many; nothing if a gate, or somebody
-- who waits for what is given back, is to be looked at.
local function circuits_alone(leaving)
  local circuits, tallied = call('EXISTS', CIRCUITS) == 1, nil
  if call('EXISTS', GATES) == 1 then return nil end
  local keys, count = each_of(leaving, {})
  if count > 0 and call('EXISTS', JAMS) == 1 then
    for _, jam in ipairs(call('ZMSCORE', JAMS, unpack(keys))) do
      if jam then return nil end
    end
  end
  local rules = circuits and rules_of(CIRCUITS, keys, count)
  if circuits and not rules then return nil end
  for n = 1, rules and count or 0 do
    local within = rules[n] and string.match(rules[n], '^%d+ (%d+) %d+ %d+$')
    if within then
      tallied = tallied or {}
      tallied[#tallied + 1] = {keys[n], tonumber(within), leaving[keys[n]]}
      call('HLEN', TALLIES .. keys[n])
    end
  end
  return circuits, tallied
end

-- leaving and coming: how many there are by the keys of each. Returns fields to write and to delete, by the keys of each
-- that comes the ones that it is to hold, what is tallied, how many come by keys with a rate, and how many are left by each
-- key; nothing if there is no room for all.
local function exchange_permits(leaving, coming)
  local groups, tallied, circuits = coming, nil, false
  if string.find(table.concat(each_of(leaving, coming), '\n'), ' ', 1, true) then
    leaving, coming = by_single_keys(leaving), by_single_keys(coming)
  end
  if call('EXISTS', GATES, CIRCUITS, JAMS) > 0 then
    circuits, tallied = circuits_alone(leaving)
    if circuits == nil then return nil end
  end
  local held, taken, room, rated, known = {}, {}, {}, nil, {}
  local keys, count = each_of(coming, {})
  if count > 0 then
    local limits = rules_of(LIMITS, keys, count)
    local rules = not circuits and {} or rules_of(CIRCUITS, keys, count)
    if not limits or not rules then return nil end
    for n = 1, count do
      local key, text = keys[n], limits[n]
      local most = known[text]
      if text and not most then
        local number, kind = string.match(text, '^(%d+) (%S+) ')
        most = tonumber(number) or 0
        if kind and kind ~= '-' then
          rated = rated or {}
          rated[key] = coming[key]
        else
          known[text] = most
        end
      end
      if most and most > 0 then room[key] = most end
      held[key] = (room[key] or rules[n]) and key or false
      if held[key] then taken[key] = coming[key] end
    end
  end
  keys, count = each_of(leaving, taken)
  if count > 2 then keys[count + 1] = '@' end
  local found = count > 0 and redis.pcall('HMGET', PERMITS, unpack(keys)) or {}
  if found.err then return nil end
  local written, gone, left, numbers = {}, {}, {}, {['1'] = 1}
  for n = 1, count do
    local key, said = keys[n], found[n]
    local before = 0
    if said then
      before = numbers[said] or tonumber(said) or 0
      numbers[said] = before
    end
    local rest, more = before - (leaving[key] or 0), taken[key] or 0
    if rest < 0 then rest = 0 end
    local after = rest + more
    left[key] = rest
    if more > 0 and after > (room[key] or after) then return nil end
    if after ~= before then
      if after > 0 then written[#written + 1], written[#written + 2] = key, after else gone[#gone + 1] = key end
    end
  end
  if count > 2 and not found[count + 1] and #written > 0 then written[#written + 1], written[#written + 2] = '@', LONG end
  for words in pairs(groups) do
    if held[words] == nil then
      local holds
      for key in string.gmatch(words, '[^ ]+') do
        if held[key] then holds = holds and holds .. ' ' .. key or key end
      end
      held[words] = holds or false
    end
  end
  return written, gone, held, tallied, rated, left
end
