-- watch: tell when tasks wait longer than they may, or for a worker that knows them, and when that is over
-- FLAGS   allow-oom
-- USES    sla breaches counters sidings blocked workers bell
-- INCLUDE events thresholds sidings
-- ARGV    period:number
-- REPLY   1 if there is anything to watch, 0 if not
-- Whoever beats asks; the first one of each period looks. So each breach is told of once, however many there are.
local QUIET_MS = 30000
local looked = tonumber(call('HGET', BREACHES, '@looked') or 0) or 0
call('HLEN', COUNTERS)
call('SCARD', WORKERS)
if call('HLEN', SLA) + call('HLEN', SIDINGS) == 0 then
  call('DEL', BREACHES)
  return 0
end
-- later than now: the clock was set back
if now - looked < period and looked <= now then return 1 end
local rows, broken = readings()
call('HSET', BREACHES, '@looked', digits(now))
broken['@looked'] = nil
for _, row in ipairs(rows) do
  local list, measure, allowed, waited, since = unpack(row, 1, 5)
  local name = list .. ' ' .. measure
  if since and not broken[name] then
    call('HSET', BREACHES, name, digits(since))
    call('HINCRBY', COUNTERS, 'sla_breaches', 1)
    emit('sla.breached', 'list', list, 'measure', measure, 'allowed_ms', allowed, 'waited_ms', waited)
  elseif broken[name] and not since then
    call('HDEL', BREACHES, name)
    emit('sla.recovered', 'list', list, 'measure', measure, 'allowed_ms', allowed, 'waited_ms', waited)
  end
  broken[name] = nil
end
-- of thresholds that are not there any more
for name in pairs(broken) do call('HDEL', BREACHES, name) end
-- a siding behind which nothing waits, and by which nobody has come for some time
local found = call('HGETALL', SIDINGS)
for i = 1, #found, 2 do
  local last = tonumber(string.match(found[i + 1], '^%d+') or 0)
  if now - last > QUIET_MS and call('EXISTS', BLOCKED .. found[i]) == 0 then
    for bell in string.gmatch(found[i + 1], ' ([^ ?]+)') do call('DEL', BELL .. bell) end
    call('HDEL', SIDINGS, found[i])
  end
end
survey_sidings()
if call('HLEN', SLA) + call('HLEN', SIDINGS) > 0 then return 1 end
call('DEL', BREACHES)
return 0
