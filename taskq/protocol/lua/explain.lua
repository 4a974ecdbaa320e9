-- explain: what holds one task up, as of one instant
-- FLAGS   no-writes
-- USES    state group grouped queue paused scheduled sequence blocked running limits jams family children gathered retained gates
--         unique bounds
-- INCLUDE clock text bounded held
-- ARGV    id list group unique ttl:number keys ahead*
-- REPLY   {now ms, {place in its list from 0 or -1, tasks of the list, tasks of those before it, how many of its group go first
--         or -1, entries of the list}, 1 if the list is paused, 2 if
--         all are, due ms or '', {place in its sequence or -1, who is the first of it}, {key of its limit, place, definition, who
--         run, ms to the next look}, {name of its family, total, ended, open children}, ends in the last half minute, and how
--         many ms that is, {key, since when it is paused or '', gate of its circuit or '', ...}, {who holds its unique key or '', for how
--         many ms or -1}, {its queue, the limit of that, tasks, bytes, whether a submit waits} or nothing}
-- keys are those that count it, with spaces between them; group and unique are its keys or ''; ahead names the lists that are claimed from before its own. At
-- most 10,000 entries of the list are looked at, 5 holders among some 2,000 runs, 100 children. Ends are those whose results are kept for ttl ms.
local function some_with(key)
  local found, cursor = {}, '0'
  for _ = 1, 20 do
    local page = call('HSCAN', RUNNING, cursor, 'COUNT', '100')
    cursor = page[1]
    for i = 1, #page[2], 2 do
      local keys = #found < 5 and string.gsub(held_in(page[2][i + 1]) or '', '=', '')
      if keys and string.find(keys, ' ' .. key .. ' ', 1, true) then found[#found + 1] = page[2][i] end
    end
    if cursor == '0' or #found == 5 then break end
  end
  return found
end

local state = call('HMGET', STATE .. id, 'list', 'sequence', 'waits', 'blocked')
list = state[1] or list
local function waiting_in(name) return call('LLEN', QUEUE .. name) + (call('HGET', GROUPED, name) or 0) end
local before = 0
for i = first_ahead, #ARGV do before = before + waiting_in(ARGV[i]) end
-- one that has come back to the head stands there by itself
local of_group = group ~= '' and call('LPOS', GROUP .. list .. '/' .. group, id, 'MAXLEN', 10000)
local entry = of_group and '@' .. group or id
local place = {call('LPOS', QUEUE .. list, entry, 'MAXLEN', 10000) or -1, waiting_in(list), before, of_group or -1,
  call('LLEN', QUEUE .. list)}

local order, limit, family = {-1, ''}, {}, {}
if state[2] then
  order = {call('ZRANK', SEQUENCE .. state[2], id) or -1, call('ZRANGE', SEQUENCE .. state[2], 0, 0)[1] or ''}
end
local key, waits = state[4], state[3]
if key then
  local definition = call('HGET', LIMITS, key) or call('HGET', LIMITS, string.match(key, '^[^:]*')) or ''
  limit = {key, call('ZRANK', BLOCKED .. key, id) or -1, definition, some_with(key),
    (tonumber(call('ZSCORE', JAMS, key) or 0) or 0) - now}
elseif waits and string.byte(waits) ~= 64 and not string.find(waits, ' ', 1, true) then
  local found, open = call('HMGET', FAMILY .. waits, 'total', 'completed', 'failed'), {}
  local members = call('LRANGE', CHILDREN .. waits, 0, 99)
  local results = #members > 0 and call('HMGET', GATHERED .. waits, unpack(members)) or {}
  for n, member in ipairs(members) do
    if results[n] == '' and #open < 5 then open[#open + 1] = member end
  end
  family = {waits, found[1] or '0', (tonumber(found[2]) or 0) + (tonumber(found[3]) or 0), open}
end
local ends, slot = 0, (math.floor((now + ttl) / 10000) + 1) * 10000
for n = 0, 2 do ends = ends + call('LLEN', RETAINED .. digits(slot - n * 10000)) end
local gates = {}
for name in string.gmatch(keys, '[^ ]+') do
  local found, n = call('HMGET', GATES, name, '!' .. name), #gates
  gates[n + 1], gates[n + 2], gates[n + 3] = name, found[1] or '', found[2] or ''
end
local held = unique ~= '' and {call('GET', UNIQUE .. unique) or '', call('PTTL', UNIQUE .. unique)} or {}
local queue, full = string.match(list, '^(.*):') or 'default', {}
local bound = call('HGET', BOUNDS, queue)
if bound then add_bound(full, queue, bound) end
local stopped = math.max(call('SISMEMBER', PAUSED, list), 2 * call('SISMEMBER', PAUSED, '*'))
return {now, place, stopped, call('ZSCORE', SCHEDULED, id) or '', order, limit, family, ends, 20000 + (now + ttl) % 10000, gates,
  held, full}
