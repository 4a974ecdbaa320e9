-- ids: a page of ids: of one status, of the dead letters, of the sagas, of one list, of the schedule, or of what has ended
-- FLAGS   no-writes
-- USES    status dead sagas queue scheduled retention retained group grouped
-- INCLUDE clock text
-- ARGV    source cursor count:number
-- REPLY   {next cursor or '0', {ids}}
-- source: a status, in no order; 'dead' and 'sagas', the latest first; 'list <name>', from its head; 'due', the next first; 'ended
-- <ttl ms>', the latest first of what is kept so long or shorter, then what is kept longer.
local from = tonumber(cursor)
local function counted(page) return {#page == count and tostring(from + count) or '0', page} end

if source == 'dead' then return counted(call('ZREVRANGE', DEAD, from, from + count - 1)) end
if source == 'sagas' then return counted(call('ZREVRANGE', SAGAS, from, from + count - 1)) end
if source == 'due' then return counted(call('ZRANGE', SCHEDULED, from, from + count - 1)) end
local list = string.match(source, '^list (.*)$')
if list then
  -- first the list, with the first of each group; then, group by group, those behind it: '<place in the list> <place in the group>'
  local at, offset = string.match(cursor, '^(%d+) (%d+)$')
  local ids = {}
  at = tonumber(at or cursor)
  local entries = call('LRANGE', QUEUE .. list, at, at + count - 1)
  for _, entry in ipairs(entries) do
    local group = string.match(entry, '^@(.*)')
    local key = GROUP .. list .. '/' .. (group or '')
    if not offset then
      ids[#ids + 1] = group and call('LINDEX', key, '0') or entry
    elseif group then
      local found = call('LRANGE', key, offset, offset + count - #ids - 1)
      for _, id in ipairs(found) do ids[#ids + 1] = id end
      if #ids == count then return {at .. ' ' .. offset + #found, ids} end
    end
    at, offset = at + 1, offset and 1
  end
  local more = #entries == count and tostring(at) .. (offset and ' 1' or '')
  if not more and not offset and (call('HGET', GROUPED, list) or '0') ~= '0' then more = '0 1' end
  return {more or '0', ids}
end
local ttl = string.match(source, '^ended (%d+)$')
if not ttl then return call('SSCAN', STATUS .. source, cursor, 'COUNT', count) end

-- the lists of the retention, each from its end; the cursor is the list, how much of it was seen, and where it began
local slot, seen, top = string.match(cursor, '^(%d+) (%d+) (%d+)$')
if not slot then
  top = digits(now + ttl + 20000)
  slot, seen = top, 0
end
local longer = tonumber(slot) > tonumber(top)
local function next_slot(below)
  local found = call('ZREVRANGEBYSCORE', RETENTION, below, longer and '(' .. top or '-inf', 'LIMIT', 0, 1)[1]
  if found or longer then return found end
  longer = true
  return call('ZREVRANGEBYSCORE', RETENTION, '+inf', '(' .. top, 'LIMIT', 0, 1)[1]
end
slot = next_slot(slot)
if not slot then return {'0', {}} end
local page = call('LRANGE', RETAINED .. slot, -seen - count, -seen - 1)
local ids = {}
for i = #page, 1, -1 do ids[#ids + 1] = page[i] end
if #page == count then return {slot .. ' ' .. digits(seen + count) .. ' ' .. top, ids} end
slot = next_slot('(' .. slot)
return {slot and slot .. ' 0 ' .. top or '0', ids}
