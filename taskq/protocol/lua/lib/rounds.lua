-- rounds: who is next in the lists of a turn if tasks of groups wait there, see lib/groups
-- USES queue group grouped task state
-- reads only: ids, the group that each stands in, how many of each list and of all, and their bodies; nothing if one of them is
-- not new, or a group is empty
local function look_around()
  local ids, entries, taken, count = {}, {}, {}, 0
  call('HLEN', GROUPED)
  for i = 1, lists do
    local list, before = ARGV[first_rest + i - 1], count
    local line, groups, at = call('LRANGE', QUEUE .. list, '0', want - count - 1), {}, 1
    while line[at] and count < want do
      local entry = line[at]
      local id, group = entry, groups[entry]
      if string.byte(entry) == 64 then
        if not group then
          local key = GROUP .. list .. '/' .. string.sub(entry, 2)
          group = {key = key, ids = call('LRANGE', key, '0', want - count - 1), at = 0}
          groups[entry] = group
        end
        group.at = group.at + 1
        id = group.ids[group.at]
        if not id then return nil end
        -- the next one of it comes round at the tail
        if group.ids[group.at + 1] then line[#line + 1] = entry end
      end
      count, at = count + 1, at + 1
      ids[count], entries[count] = id, group and group.key
    end
    taken[i] = count - before
    if count == want then break end
  end
  local keys = {}
  for n = 1, count do keys[n] = STATE .. ids[n] end
  if call('EXISTS', unpack(keys, 1, count)) > 0 then return nil end
  for n = 1, count do keys[n] = TASK .. ids[n] end
  local bodies = call('MGET', unpack(keys, 1, count))
  for n = 1, count do
    if not bodies[n] then return nil end
  end
  return ids, entries, taken, count, bodies
end

-- takes the first of a group whose entry is at the head of a list; returns 1 if others of it come round at the tail, else 0
local function take_of_group(group, from, to)
  call('LMOVE', group, to, 'LEFT', 'RIGHT')
  if call('EXISTS', group) == 0 then
    call('LPOP', from)
    return 0
  end
  call('LMOVE', from, from, 'LEFT', 'RIGHT')
  return 1
end
