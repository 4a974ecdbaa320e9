-- mend_expiry: give a key the time to live that it should have, or take one away that it should not have
-- FLAGS   allow-oom
-- USES    waiters awaited reply queue processing running status scheduled leases workers worker bell retention retained
-- USES    schedules slots dead meta counters paused tombstones queues unique sagas sequence session
-- USES    successor bounds bytes weights crowd limits limited permits sole blocked jams rate starts gates circuits faults tallies
-- USES    woken group grouped sla breaches sidings large history
-- ARGV    family name ttl:number
-- REPLY   {what was done, in words}; nothing if nothing was wrong
-- Keys of tasks are not its business: whether they expire depends on the task.
local KEPT = {queue = QUEUE, processing = PROCESSING, running = RUNNING, status = STATUS, scheduled = SCHEDULED,
  leases = LEASES, workers = WORKERS, worker = WORKER, bell = BELL, retention = RETENTION, retained = RETAINED,
  schedules = SCHEDULES, slots = SLOTS, dead = DEAD, meta = META, counters = COUNTERS, paused = PAUSED,
  tombstones = TOMBSTONES, queues = QUEUES, unique = UNIQUE, successor = SUCCESSOR, sagas = SAGAS,
  sequence = SEQUENCE, limits = LIMITS, bounds = BOUNDS, limited = LIMITED, permits = PERMITS, sole = SOLE, blocked = BLOCKED,
  jams = JAMS, gates = GATES, circuits = CIRCUITS, woken = WOKEN, group = GROUP, grouped = GROUPED, sla = SLA,
  breaches = BREACHES, sidings = SIDINGS, large = LARGE, bytes = BYTES, weights = WEIGHTS}
local PASSING = {waiters = WAITERS, awaited = AWAITED, reply = REPLY, session = SESSION, rate = RATE, starts = STARTS,
  faults = FAULTS, tallies = TALLIES, crowd = CROWD, history = HISTORY}
if KEPT[family] then return call('PERSIST', KEPT[family] .. name) == 1 and {'it does not expire any more'} or {} end
local key = PASSING[family] .. name
return call('PTTL', key) == -1 and call('PEXPIRE', key, ttl) == 1 and {'it expires'} or {}
