-- turns: take tasks of groups from the head of a list, see lib/groups
-- USES queue group grouped tombstones
-- Called after the first write: a group that a foreign hand has damaged meanwhile is empty.
local MOST_TOMBS = 100

-- Returns the id for which an entry at the head of a list stands, '' if its group is empty, and whether it has become so by
-- this. What was cancelled there is dropped, so that nobody loses a round for it.
local function first_of(list, entry, buried)
  if string.byte(entry) ~= 64 then return entry end
  local key = GROUP .. list .. '/' .. string.sub(entry, 2)
  for dropped = 0, MOST_TOMBS - 1 do
    local id = redis.pcall('LINDEX', key, '0')
    if type(id) ~= 'string' then return '', dropped > 0 end
    if not buried or call('SREM', TOMBSTONES, id) == 0 then return id end
    call('LPOP', key)
    if call('EXISTS', key) == 1 then call('HINCRBY', GROUPED, list, '-1') end
  end
  return call('LINDEX', key, '0') or ''
end

-- Takes the first entry out of a list, and an id out of its group; the entry of a group with more goes to the tail.
local function leave_line(list, entry, id)
  if entry == id or id == '' then return call('LPOP', QUEUE .. list) end
  local key = GROUP .. list .. '/' .. string.sub(entry, 2)
  local left = call('LREM', key, '1', id)
  if call('EXISTS', key) == 0 then return call('LPOP', QUEUE .. list) end
  call('LMOVE', QUEUE .. list, QUEUE .. list, 'LEFT', 'RIGHT')
  if left == 1 then call('HINCRBY', GROUPED, list, '-1') end
end
