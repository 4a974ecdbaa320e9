-- indexes: what stands beside the tasks: workers, unique keys, retained lists, named queues, slots, limits, bells, ...
-- FLAGS   no-writes
-- USES    workers leases worker meta unique status state retention queues slots schedules bell sagas sequence
-- USES    retained family children gathered blocked jams scheduled successor gates circuits limits woken bounds sla
-- INCLUDE limited verdict held
-- ARGV    lease:number source names*
-- REPLY   {per name: what is wrong with it, '' if nothing}
-- Of 'blocked <key>' and 'children <family>' the names are ids.
local kind, of = string.match(source, '^(%S+) ?(.*)$')
local LIVE, ENDED = {'pending', 'scheduled', 'running', 'retry', 'waiting'}, {'completed', 'failed', 'cancelled'}
local clock, meta = call('TIME'), call('HMGET', META, 'lease_tick', 'lease_credit')
local virtual = tonumber(meta[1] or clock[1] * 1000) - tonumber(meta[2] or 0)

local function in_one_of(statuses, id)
  for _, status in ipairs(statuses) do
    if call('SISMEMBER', STATUS .. status, id) == 1 then return true end
  end
end

local JUDGE = {
  workers = function(name)
    local known, lease_end = call('SISMEMBER', WORKERS, name) == 1, call('ZSCORE', LEASES, name)
    if known and not lease_end then return 'no lease' end
    if lease_end and not known then return 'not registered' end
    if lease_end and tonumber(lease_end) - virtual > lease + 1000 then return 'lease too long' end
    if not known and call('EXISTS', WORKER .. name) == 1 then return 'a card, but not registered' end
  end,
  unique = function(name)
    local holder = call('GET', UNIQUE .. name)
    local known = holder and in_one_of(LIVE, holder) and call('HGET', STATE .. holder, 'unique') == name
    if holder and not known and call('PTTL', UNIQUE .. name) < 0 then return holder end
  end,
  successor = function(name)
    local id = call('GET', SUCCESSOR .. name)
    local state = id and call('HMGET', STATE .. id, 'status', 'succeeds', 'behind')
    if id and (state[1] ~= 'waiting' or state[2] ~= name) then return id .. ' does not wait for it' end
    local holder = id and call('GET', UNIQUE .. name)
    if id and not (in_one_of(LIVE, state[3] or '') or in_one_of(LIVE, holder or '')) then return id .. ' waits behind nobody' end
  end,
  retained = function(name)
    return not call('ZSCORE', RETENTION, name) and call('EXISTS', RETAINED .. name) == 1 and 'unlisted'
  end,
  queue = function(name)
    local queue = string.match(name, '^(.*):')
    return queue and call('SISMEMBER', QUEUES, queue) == 0 and 'unlisted'
  end,
  slots = function(name)
    return call('HEXISTS', SLOTS, name) == 1 and call('HEXISTS', SCHEDULES, name) == 0 and 'no schedule'
  end,
  sagas = function(name)
    return call('ZSCORE', SAGAS, name) and not in_one_of(LIVE, name) and not in_one_of(ENDED, name) and 'no known task'
  end,
  sequence = function(name)
    local first = call('ZRANGE', SEQUENCE .. name, '0', '0')[1]
    if first and not (in_one_of(LIVE, first) and call('HGET', STATE .. first, 'sequence') == name) then
      return first .. ' is the first of it, and not live or of another'
    end
  end,
  permits = function(key) return miscount_of(key) end,
  blocked = function(id)
    local state = call('HMGET', STATE .. id, 'status', 'blocked')
    return (state[1] ~= 'waiting' or state[2] ~= of) and call('ZSCORE', BLOCKED .. of, id) and id .. ' does not wait for it'
  end,
  -- results may be long: they are not read
  children = function(id)
    if call('HEXISTS', FAMILY .. of, 'total') == 0 or call('HSTRLEN', GATHERED .. of, id) > 0 then return end
    if call('HEXISTS', GATHERED .. of, id) == 0 then return id .. ' is to end for it, and would not be counted' end
    if not in_one_of(LIVE, id) then return id .. ' is to end for it, and is not live' end
    local knows = string.find(' ' .. (call('HGET', STATE .. id, 'parents') or '') .. ' ', ' ' .. of .. ' ', 1, true)
    return not knows and id .. ' is to end for it, and does not know that'
  end,
  family = function(name)
    local family = call('HMGET', FAMILY .. name, 'total', 'policy', 'need', 'completed', 'failed', 'done')
    if not family[1] then return end
    local children, gathered = call('LLEN', CHILDREN .. name), call('HLEN', GATHERED .. name)
    if children < gathered then return 'lists ' .. children .. ' children and gathers ' .. gathered end
    local owner = string.match(name, '^(.-)/')
    local kept = owner and in_one_of(LIVE, owner) or false
    for _, key in ipairs({FAMILY .. name, CHILDREN .. name, GATHERED .. name}) do
      local ttl = call('PTTL', key)
      if ttl ~= -2 and (ttl == -1) ~= kept then return kept and 'expires before its parent' or 'does not expire' end
    end
    local done = verdict(family[2], tonumber(family[3]), tonumber(family[1]), tonumber(family[4]) or 0, tonumber(family[5]) or 0)
    return (done or false) ~= family[6] and 'is ' .. (family[6] or 'open') .. ' and should be ' .. (done or 'open')
  end,
  remains = function(name)
    return call('HEXISTS', FAMILY .. name, 'total') == 0 and call('EXISTS', FAMILY .. name, CHILDREN .. name, GATHERED .. name) > 0
      and 'is the rest of a family whose record is gone'
  end,
  jams = function(name)
    local at, woken = call('ZSCORE', JAMS, name), call('ZSCORE', SCHEDULED, '@limits')
    if call('EXISTS', BLOCKED .. name) == 0 then return at and 'is looked at, and nobody waits for it' end
    if not at or not woken or tonumber(woken) > tonumber(at) then return 'nobody looks at it again' end
  end,
  gates = function(name)
    local gate, key = call('HGET', GATES, name), string.match(name, '^!(.*)$')
    if not gate then return end
    if not key then return not string.find(gate, '^paused %d+$') and 'cannot be read, and so is closed' end
    if not (call('HEXISTS', CIRCUITS, key) == 1 or call('HEXISTS', CIRCUITS, string.match(key, '^[^:]*')) == 1) then
      return 'is the gate of no circuit'
    end
    return not (string.find(gate, '^open %d+ %d+$') or string.find(gate, '^half %S+$')) and 'cannot be read'
  end,
  limited = function() return not names_all() and 'does not name all that is counted' end,
  woken = function(name)
    return call('HEXISTS', WOKEN, name) == 1 and call('EXISTS', BLOCKED .. name) == 0 and 'has nobody behind the one it names'
  end,
  bell = function(name) return call('LLEN', BELL .. name) > 8 and 'too long' end,
}
-- what somebody has set, as it is written
local LINES = {limits = {LIMITS, '^%d+ %S+ %d+ %d+ %d+ %d+$'}, circuits = {CIRCUITS, '^%d+ %d+ %d+ ?%d*$'},
  bounds = {BOUNDS, '^%d+ %S+ %d+ %d+ ?%d*$'}, sla = {SLA, '^%d+ %d+$'}, schedules = {SCHEDULES, '^{.*}$'}}
for line, known in pairs(LINES) do
  JUDGE[line] = function(name)
    local text = call('HGET', known[1], name)
    return text and not string.find(text, known[2]) and 'cannot be read: ' .. string.sub(text, 1, 100)
  end
end
local wrong = {}
for i = first_names, #ARGV do wrong[#wrong + 1] = JUDGE[kind](ARGV[i]) or '' end
return wrong
