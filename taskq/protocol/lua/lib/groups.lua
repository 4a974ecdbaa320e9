-- groups: the tasks of one group key that wait in a list take turns with everybody else there
-- USES queue task group grouped
-- group:<list>/<key> holds them in order, and the list itself one entry for all of them, '@<key>'. Whoever takes the first of
-- a group out of its list sends the entry to the tail, until nobody is left: a round for all groups. grouped says for each
-- list how many tasks it holds that have no entry of their own, and by '@' that there ever were groups in the namespace.
-- What comes back to the head of a list has had its turn, and stands there by itself.
local any_groups

-- the group key in the head of an envelope, whose shape is fixed
local function group_in(body)
  local _, at = string.find(body, '^{"id":"[^"]*","type":"[^"]*","created_at":"[^"]*",')
  if not at then return nil end
  local _, after = string.find(body, '^"limit_keys":%[[^%]]*%],', at + 1)
  return string.match(body, '^"group_key":"([%w_.%-]+)"', (after or at) + 1)
end

-- of the envelope of a task that is stored: as much as can stand before its payload
local function head_of(id)
  return call('GETRANGE', TASK .. id, '0', '2047')
end

local function group_of(id)
  if any_groups == nil then any_groups = call('HEXISTS', GROUPED, '@') == 1 end
  return any_groups and group_in(head_of(id)) or nil
end

local function group_key(list, group)
  return GROUP .. list .. '/' .. group
end

-- reads only: all that is touched when a task comes to the tail of a list
local function check_line(list, group)
  call('LLEN', QUEUE .. list)
  if group then
    call('LLEN', group_key(list, group))
    call('HLEN', GROUPED)
  end
end

-- reads only: how many tasks wait in a list
local function waiting_in(list)
  return call('LLEN', QUEUE .. list) + (call('HGET', GROUPED, list) or 0)
end

-- from the first task with a group on, even if it does not wait in a list yet
local function note_group(group)
  if group and not any_groups then
    any_groups = true
    call('HSET', GROUPED, '@', '1')
  end
end

-- Puts a task into its group. Returns what is to be put at the tail of the list: its id, the entry of its group, or nothing
-- if that stands there already.
local function entry_of(id, list, group)
  if not group then return id end
  note_group(group)
  if call('RPUSH', group_key(list, group), id) == 1 then return '@' .. group end
  call('HINCRBY', GROUPED, list, '1')
end

local function line_up(id, list, group)
  local entry = entry_of(id, list, group)
  if entry then call('RPUSH', QUEUE .. list, entry) end
end
