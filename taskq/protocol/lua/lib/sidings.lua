-- sidings: tasks that a worker has passed over wait until one that knows their type and version has a free slot
-- USES sidings workers worker bell
-- INCLUDE clock text events bell
-- A siding is a key of blocked tasks, '@<list>/<type>@<version>'. sidings holds for each of them when a worker came by last and
-- whose bells to ring: '<ms> <bell> ...'; no bell means that no live worker can run what waits there, '?' that this is not
-- known yet. The card of a worker says what it serves (lists), what it knows ('<type>@<lowest>-<highest>' each), on which
-- bell it hears, and which sidings it is to look behind.
local MOST_SIDINGS = 100

local function siding_key(list, word)
  return '@' .. list .. '/' .. word
end

local function serves(lists, list)
  return lists and string.find(' ' .. lists .. ' ', ' ' .. list .. ' ', 1, true) ~= nil
end

local function can_take(key, lists, knows)
  local list, kind, version = string.match(key, '^@(.*)/(.*)@(%d+)$')
  if not list or not knows or not serves(lists, list) then return false end
  local _, at = string.find(' ' .. knows, ' ' .. kind .. '@', 1, true)
  local low, high = string.match(knows .. ' ', '^(%d+)%-(%d+) ', at)
  return low ~= nil and tonumber(low) <= tonumber(version) and tonumber(version) <= tonumber(high)
end

-- of a card that cannot be read nothing is known
local function siding_fields(worker)
  local card = redis.pcall('HMGET', WORKER .. worker, 'lists', 'knows', 'bell', 'sidings', 'state')
  -- one that drains or stops claims nothing
  if card[5] and card[5] ~= '' then card[1], card[2] = '', '' end
  return card
end

local function tell_of(key, kind)
  local list, name, version = string.match(key, '^@(.*)/(.*)@(%d+)$')
  emit(kind, 'list', list, 'task_type', name, 'version', tonumber(version))
end

-- Tells each worker which sidings it is to look behind, and each siding whose bells to ring. A worker of an older release that
-- serves the list of a siding would never look: that siding is taken away, and its tasks go back to their list by and by.
local function survey_sidings()
  local found, bells, older = call('HGETALL', SIDINGS), {}, {}
  for i = 1, #found, 2 do bells[found[i]] = {} end
  for _, worker in ipairs(call('SMEMBERS', WORKERS)) do
    local card, behind = siding_fields(worker), {}
    for i = 1, #found, 2 do
      local key = found[i]
      if can_take(key, card[1], card[2]) then
        behind[#behind + 1] = key
        bells[key][card[3] or ''] = true
      elseif card[1] and not card[2] and serves(card[1], string.match(key, '^@(.*)/')) then
        older[key] = true
      end
    end
    local text = #behind > 0 and table.concat(behind, ' ') or nil
    if text and text ~= card[4] then call('HSET', WORKER .. worker, 'sidings', text) end
    if card[4] and not text then call('HDEL', WORKER .. worker, 'sidings') end
  end
  for i = 1, #found, 2 do
    local key, last, before = found[i], string.match(found[i + 1], '^(%d+)(.*)$')
    local now_heard = {}
    for bell in pairs(bells[key]) do now_heard[#now_heard + 1] = bell end
    table.sort(now_heard)
    local text = (last or digits(now)) .. (#now_heard > 0 and ' ' .. table.concat(now_heard, ' ') or '')
    if older[key] then
      call('HDEL', SIDINGS, key)
    else
      if text ~= found[i + 1] then call('HSET', SIDINGS, key, text) end
      for bell in string.gmatch(before or '', '[^ ?]+') do
        if not bells[key][bell] then call('DEL', BELL .. bell) end
      end
      if #now_heard == 0 and before ~= '' then tell_of(key, 'type.unrunnable') end
      if #now_heard > 0 and before == '' then tell_of(key, 'type.runnable') end
    end
  end
end

-- Returns whether what a worker has passed over may wait there.
local function open_siding(key)
  local known = call('HGET', SIDINGS, key)
  if not known and call('HLEN', SIDINGS) >= MOST_SIDINGS then return false end
  call('HSET', SIDINGS, key, digits(now) .. (known and string.gsub(known, '^%d+', '') or ' ?'))
  if not known then survey_sidings() end
  local entry = call('HGET', SIDINGS, key)
  for bell in string.gmatch(entry or '', ' ([^ ?]+)') do ring(bell) end
  return entry and true or false
end
