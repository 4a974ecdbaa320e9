-- check: a page of ids and all that is known of each, as of one instant
-- FLAGS   no-writes
-- USES    task state result status running scheduled dead tombstones workers leases processing queue retained unique successor
-- USES    children gathered retention slots checkpoint signals sagas sequence permits sole blocked jams gates woken limits circuits bounds sla schedules
-- USES    group
-- INCLUDE awaited held
-- ARGV    source name cursor count:number ids*
-- REPLY   {next cursor or '0', {per id: id, a digit per status and one for tombstone, ms to live of envelope, state and
--         result, {fields of the state}, record, 1 if its worker holds it, 1 if that one is known and has a lease, due ms,
--         1 if a dead letter, holder of its unique key, 1 if it is not live and its checkpoint or signals do not expire,
--         place in its sequence from 0 or -1, 1 if it stands among the blocked that its state names, 1 if it waits
--         for what has come already, 1 if it is the successor that its state names}}
-- source is ids, sample (some of a status) or processing; list (of a group it is '<list>/<group key>'), whose reply is {next cursor,
-- {id, how many entries of it there should be, ...}}; or one whose reply is {next cursor, {names}}: status, running, scheduled, dead,
-- tombstones, retained, retention, workers, leases, sagas, held (keys of permits, by what runs), sole (each with = before it), blocked, children, jams, a hash by its name, strangers, those of some ids that no
-- status set has, miscounts, what is wrong with the permits of some keys, or gathered, what a family was told of some children: '' nothing, their status, '?' if that is not known, or
-- not without a look at more than count bytes. What is small the server shows all at once, a hash up to 512 fields: so ids are asked for first, and
-- then of each, in pages, what is known.
-- Lists are walked from their tails: what is taken from the head meanwhile moves nothing, what comes to the tail is seen
-- twice, but nothing is missed.
local STATUSES = {'pending', 'scheduled', 'running', 'retry', 'waiting', 'completed', 'failed', 'cancelled'}
local LARGEST_FIRST = {'pending', 'completed', 'scheduled', 'waiting', 'failed', 'retry', 'cancelled', 'running'}

local function members_of(page, step)
  local found = {}
  for i = 1, #page[2], step do found[#found + 1] = page[2][i] end
  return page[1], found
end

local function from_tail(length, page)
  return length > cursor + count and string.format('%d', cursor + count) or '0', page
end

local function given()
  local found = {}
  for i = first_ids, #ARGV do found[#found + 1] = ARGV[i] end
  return '0', found
end

local NAMES = {
  retained = function() return from_tail(call('LLEN', RETAINED .. name),
    call('LRANGE', RETAINED .. name, -cursor - count, -cursor - 1)) end,
  retention = function() return members_of(call('ZSCAN', RETENTION, cursor, 'COUNT', count), 2) end,
  workers = function() return members_of(call('SSCAN', WORKERS, cursor, 'COUNT', count), 1) end,
  leases = function() return members_of(call('ZSCAN', LEASES, cursor, 'COUNT', count), 2) end,
  sagas = function() return members_of(call('ZSCAN', SAGAS, cursor, 'COUNT', count), 2) end,
  held = function()
    local next_cursor, found = call('HSCAN', RUNNING, cursor, 'COUNT', count), {}
    for i = 2, #next_cursor[2], 2 do
      for key in string.gmatch(held_in(next_cursor[2][i]) or '', '[^ ]+') do found[#found + 1] = key end
    end
    return next_cursor[1], found
  end,
  sole = function()
    local next_cursor, found = members_of(call('SSCAN', SOLE, cursor, 'COUNT', count), 1)
    for n = 1, #found do found[n] = '=' .. found[n] end
    return next_cursor, found
  end,
  miscounts = function()
    local words = {}
    for i = first_ids, #ARGV do words[#words + 1] = miscount_of(ARGV[i]) or '' end
    return '0', words
  end,
  blocked = function() return members_of(call('ZSCAN', BLOCKED .. name, cursor, 'COUNT', count), 2) end,
  children = function() return from_tail(call('LLEN', CHILDREN .. name),
    call('LRANGE', CHILDREN .. name, -cursor - count, -cursor - 1)) end,
  gathered = function()
    local words = {}
    for i = first_ids, #ARGV do
      local size = call('HSTRLEN', GATHERED .. name, ARGV[i])
      local result = size > 0 and size <= count and call('HGET', GATHERED .. name, ARGV[i]) or ''
      words[#words + 1] = size == 0 and '' or string.match(result, '^{"task_id":"[^"]*","status":"(%a+)"') or '?'
    end
    return '0', words
  end,
  status = function() return members_of(call('SSCAN', STATUS .. name, cursor, 'COUNT', count), 1) end,
  tombstones = function() return members_of(call('SSCAN', TOMBSTONES, cursor, 'COUNT', count), 1) end,
  -- '@limits' is no task
  scheduled = function()
    local next_cursor, found = members_of(call('ZSCAN', SCHEDULED, cursor, 'COUNT', count), 2)
    for n = #found, 1, -1 do
      if found[n] == '@limits' then table.remove(found, n) end
    end
    return next_cursor, found
  end,
  dead = function() return members_of(call('ZSCAN', DEAD, cursor, 'COUNT', count), 2) end,
  jams = function() return members_of(call('ZSCAN', JAMS, cursor, 'COUNT', count), 2) end,
  strangers = function()
    local _, left = given()
    for _, status in ipairs(LARGEST_FIRST) do
      if #left == 0 then break end
      local flags, others = call('SMISMEMBER', STATUS .. status, unpack(left)), {}
      for n, id in ipairs(left) do
        if flags[n] == 0 then others[#others + 1] = id end
      end
      left = others
    end
    return '0', left
  end,
}
for field, hash in pairs({running = RUNNING, permits = PERMITS, slots = SLOTS, gates = GATES, woken = WOKEN, limits = LIMITS, circuits = CIRCUITS, bounds = BOUNDS,
  sla = SLA, schedules = SCHEDULES}) do
  NAMES[field] = function() return members_of(call('HSCAN', hash, cursor, 'COUNT', count), 2) end
end
local READ = {
  processing = function() return from_tail(call('LLEN', PROCESSING .. name),
    call('LRANGE', PROCESSING .. name, -cursor - count, -cursor - 1)) end,
  sample = function() return '0', call('SRANDMEMBER', STATUS .. name, count) end,
  list = function()
    local key = (string.find(name, '/', 1, true) and GROUP or QUEUE) .. name
    return from_tail(call('LLEN', key), call('LRANGE', key, -cursor - count, -cursor - 1))
  end,
  ids = given,
}
if NAMES[source] then return {NAMES[source]()} end
local next_cursor, ids = READ[source]()
if #ids == 0 then return {next_cursor, {}} end

local flags = {[9] = call('SMISMEMBER', TOMBSTONES, unpack(ids))}
if source == 'list' then
  local pending, words = call('SMISMEMBER', STATUS .. 'pending', unpack(ids)), {}
  for n, id in ipairs(ids) do words[2 * n - 1], words[2 * n] = id, pending[n] + flags[9][n] end
  return {next_cursor, words}
end
for s = 1, 8 do flags[s] = call('SMISMEMBER', STATUS .. STATUSES[s], unpack(ids)) end
local records, due = call('HMGET', RUNNING, unpack(ids)), call('ZMSCORE', SCHEDULED, unpack(ids))
local dead, facts = call('ZMSCORE', DEAD, unpack(ids)), {}

-- of nearly all pages nobody has a state, or a result, or has noted anything: then none of them is asked one by one
local NOTHING = {false, false, false, false, false, false, false, false, false, false}
local function any_has(...)
  local keys = {}
  for _, family in ipairs({...}) do
    for _, id in ipairs(ids) do keys[#keys + 1] = family .. id end
  end
  return call('EXISTS', unpack(keys)) > 0
end
local states, results, notes = any_has(STATE), any_has(RESULT), any_has(CHECKPOINT, SIGNALS)

for n, id in ipairs(ids) do
  local digits, record, held, known, holder = {}, records[n], 0, 0, ''
  for s = 1, 9 do digits[s] = flags[s][n] end
  local worker = record and string.match(record, '^%S+ (%S+) ')
  if worker then
    held = call('LPOS', PROCESSING .. worker, id) and 1 or 0
    known = call('SISMEMBER', WORKERS, worker) == 1 and call('ZSCORE', LEASES, worker) and 1 or 0
  end
  local state = states and call('HMGET', STATE .. id, 'status', 'list', 'unique', 'started', 'sequence', 'waits', 'blocked',
    'wakes', 'succeeds', 'rules') or NOTHING
  if state[3] then holder = call('GET', UNIQUE .. state[3]) or '' end
  -- those of a live task may be kept as long as the task
  local live = flags[1][n] + flags[2][n] + flags[3][n] + flags[4][n] + flags[5][n] > 0
  local kept = notes and not live and (call('PTTL', CHECKPOINT .. id) == -1 or call('PTTL', SIGNALS .. id) == -1)
  local blocked = state[7] and call('ZSCORE', BLOCKED .. state[7], id) and 1 or 0
  local succeeds = state[9] and call('GET', SUCCESSOR .. state[9]) == id and 1 or 0
  facts[n] = {id, table.concat(digits), call('PTTL', TASK .. id), states and call('PTTL', STATE .. id) or -2,
    results and call('PTTL', RESULT .. id) or -2, state, record or '', held, known, due[n] or '', dead[n] and 1 or 0, holder, kept and 1 or 0,
    state[5] and call('ZRANK', SEQUENCE .. state[5], id) or -1, blocked,
    flags[5][n] == 1 and state[6] and string.sub(state[6], 1, 1) ~= '@' and has_come(id, state[6]) and 1 or 0, succeeds}
end
return {next_cursor, facts}
