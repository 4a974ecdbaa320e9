-- tombstones: ids that come back while the entry of an earlier task, cancelled in its list, still stands there
-- USES tombstones queue
-- INCLUDE groups
-- A tombstone says that an entry of the id is to be dropped, not which one: a claim of another list would drop the new one.
-- So the old one is taken out, or nothing is stored if it is not found: it stands in a list of another queue, in a group, or
-- deep in a long list.
local LOOKED_THROUGH = 100000  -- entries, for all ids of a call: two milliseconds at most
local unburied = {}

-- reads only: nearly always there are none
local function any_tombstones() return call('EXISTS', TOMBSTONES) == 1 end

-- reads only: the id of a new task whose tombstone is not found, if there is one; they have an id, a list and maybe a group
local function look_for_tombstones(tasks)
  if not any_tombstones() then return nil end
  local left = LOOKED_THROUGH

  -- the end from which an id is found: a list is looked through from its head, a long one from both ends
  local function end_of(key, id)
    local length = call('LLEN', key)
    local depth = length <= left and length or math.floor(left / 2)
    for _, rank in ipairs(depth < length and {'1', '-1'} or {'1'}) do
      left = left - depth
      if depth > 0 and call('LPOS', key, id, 'RANK', rank, 'MAXLEN', depth) then return rank end
    end
  end

  local function find(task)
    -- in its own place it is met before the new one
    if task.group and end_of(group_key(task.list, task.group), task.id) then return true end
    local prefix = string.match(task.list, '^.*:') or ''
    local lists = {task.list}
    for _, priority in ipairs({'urgent', 'high', 'normal', 'low'}) do
      if prefix .. priority ~= task.list then lists[#lists + 1] = prefix .. priority end
    end
    for _, list in ipairs(lists) do
      local rank = end_of(QUEUE .. list, task.id)
      if rank then
        unburied[#unburied + 1] = {list, rank, task.id}
        return true
      end
    end
  end

  for _, task in ipairs(tasks) do
    if call('SISMEMBER', TOMBSTONES, task.id) == 1 and not find(task) then return task.id end
  end
end

local function forget_tombstones()
  for _, entry in ipairs(unburied) do
    call('LREM', QUEUE .. entry[1], entry[2], entry[3])
    call('SREM', TOMBSTONES, entry[3])
  end
end
