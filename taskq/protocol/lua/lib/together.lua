-- together: the permits that all who end and begin in a turn give back and take
-- USES permits sole limits gates circuits jams tallies
-- Reads only. What comes and goes by one key is one number, and nothing is written if that stays as it is.
-- A table that grows costs more than all that is put into it: those with a place for each key begin as copies of others.
-- A hash of short fields is looked through from its first one on each time; not if one of them is as long as this.
local LONG = 'of each key of a limit: how many of the tasks that run hold a permit'

-- Names with several keys taken apart: the same again, but with a number for each key.
local function one_by_one(names, total, before, leaves, comes)
  local keys, count, places, leaving, coming = {}, 0, {}, {}, {}
  for n = 1, total do
    for key in string.gmatch(names[n], '[^ ]+') do
      local place = places[key]
      if not place then
        count = count + 1
        place, keys[count], places[key], leaving[count], coming[count] = count, key, count, 0, 0
      end
      leaving[place] = leaving[place] + (leaves[n] or n <= before and 1 or 0)
      coming[place] = coming[place] + (comes[n] or n > before and 1 or 0)
    end
  end
  return keys, count, leaving, coming, places
end

-- Which fields of a hash say what holds for those who come: by the name of a key, or if a whole key may have a rule, two, its own
-- and the one that counts if there is none. Returns the fields, and for each key where its own are, below 0 if they are two.
local function rules_for(names, total, before, comes, exact)
  local fields, count, lead, at, find = {}, 0, nil, {unpack(names, 1, total)}, string.find
  for n = next(comes) and 1 or before + 1, total do
    local key = names[n]
    if lead and find(key, lead, 1, true) == 1 then
      at[n] = count
    elseif n <= before and not (comes[n] and comes[n] > 0) then
      at[n] = 0
    else
      lead = string.match(key, '^[^:]*:')
      count = count + 1
      fields[count], at[n] = lead and string.sub(lead, 1, -2) or key, count
      if lead and (exact or lead == 'type:') then
        fields[count], fields[count + 1], at[n] = key, fields[count], -count
        count, lead = count + 1, nil
      end
    end
  end
  return fields, at, count
end

-- Returns whether there are circuits; nil if a gate, or somebody who waits for what is given back, is to be looked at.
local function circuits_alone(names, before)
  if call('EXISTS', GATES) == 1 then return nil end
  if before > 0 and call('EXISTS', JAMS) == 1 then
    for _, jam in ipairs(call('ZMSCORE', JAMS, unpack(names, 1, before))) do
      if jam then return nil end
    end
  end
  return call('EXISTS', CIRCUITS) == 1
end

-- names are the keys of those who end, the first ones, and of those who come, some with spaces between several keys. One ends by
-- each of the first, and comes by each of the others, unless leaves or comes says how many. Returns fields to write and their
-- number, fields to delete and theirs, what each of names is to hold, what is tallied, and by keys that have a rate its text,
-- how many come, and how many are left; nothing if there is no room for all.
local function exchange_permits(names, total, before, leaves, comes, exact)
  local groups, some, places = names, total, nil
  if string.find(table.concat(names, '\n', 1, total), ' ', 1, true) then
    names, total, leaves, comes, places = one_by_one(names, total, before, leaves, comes)
    before = total
  end
  local others = call('EXISTS', GATES, CIRCUITS, JAMS, SOLE)
  local some_alone = others > 0 and call('EXISTS', SOLE) == 1
  local circuits = others > (some_alone and 1 or 0) and circuits_alone(names, before)
  if circuits == nil then return nil end
  local fields, at, count = rules_for(names, total, circuits and 0 or before, comes, exact)
  local rules, closed, tallied = fields, nil, nil
  if count > 0 then
    rules = redis.pcall('HMGET', LIMITS, unpack(fields))
    closed = circuits and redis.pcall('HMGET', CIRCUITS, unpack(fields)) or nil
    if rules.err or closed and closed.err then return nil end
  end
  for n = 1, closed and total or 0 do
    local place = at[n]
    closed[names[n]] = closed[math.abs(place)] or place < 0 and closed[1 - place]
    local within = n <= before and closed[names[n]] and string.match(closed[names[n]], '^%d+ (%d+) %d+ %d+$')
    local count = within and leaves[n] or 1
    if within and count > 0 then
      tallied = tallied or {}
      tallied[#tallied + 1] = {names[n], tonumber(within), count}
      call('HLEN', TALLIES .. names[n])
    end
  end
  -- of each field how many may run, at most 0: any number
  local asks, rates, plain = before > 0 or closed, nil, not closed
  for n = 1, count do
    local number, kind = string.match(rules[n] or '', '^(%d+) (%S+) ')
    if kind and kind ~= '-' then
      rates = rates or {}
      rates[n] = rules[n]
    end
    fields[n] = number and tonumber(number) or not rules[n] and -1 or 0
    asks, plain = asks or fields[n] > 0, plain and not rates and fields[n] > 0
  end
  -- of another type it has no keys
  local found, alone = {}, some_alone and redis.pcall('SMISMEMBER', SOLE, unpack(names, 1, total)) or {}
  plain = plain and not some_alone
  if asks then
    if total > 2 then names[total + 1] = '@' end
    found = redis.pcall('HMGET', PERMITS, unpack(names, 1, total > 2 and total + 1 or total))
    if found.err then return nil end
  end
  local written, gone, writes, goes, held, rated = {unpack(names, 1, total)}, {unpack(names, 1, total)}, 0, 0, names, nil
  local once = next(leaves) == nil and next(comes) == nil
  for n = 1, total do
    local said, place = found[n], at[n]
    if once and n <= before and said == '1' then
      goes = goes + 1
      gone[goes] = names[n]
    elseif once and plain and n > before and not said then
      writes = writes + 2
      written[writes - 1], written[writes] = names[n], 1
    else
      local key, more = names[n], comes[n] or n > before and 1 or 0
      local counted = said and tonumber(said)
      local after = math.max((counted or 0) - (leaves[n] or n <= before and 1 or 0), 0)
      if more > 0 then
        local own = place < 0 and fields[-place] == -1 and 1 - place or math.abs(place)
        local most, starts = fields[own], rates and rates[own]
        if starts then
          rated = rated or {}
          rated[key] = {starts, more, after}
        end
        if most > 0 and after + more + (alone[n] or 0) > most then return nil end
        if most > 0 or closed and closed[key] then
          after = after + more
        else
          held[n] = false
        end
      end
      if after > 0 and after ~= counted then
        writes = writes + 2
        written[writes - 1], written[writes] = key, after
      elseif said and after == 0 then
        goes = goes + 1
        gone[goes] = key
      end
    end
  end
  if total > 2 and writes > 0 and not found[total + 1] then
    written[writes + 1], written[writes + 2], writes = '@', LONG, writes + 2
  end
  for n = 1, places and some or 0 do
    local words
    for key in string.gmatch(groups[n], '[^ ]+') do
      if held[places[key]] then words = words and words .. ' ' .. key or key end
    end
    groups[n] = words or false
  end
  return written, writes, gone, goes, groups, tallied, rated
end
