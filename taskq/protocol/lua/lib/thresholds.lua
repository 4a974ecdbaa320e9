-- thresholds: how long the tasks of some lists wait, beside how long they may
-- USES sla breaches running
-- INCLUDE clock text waited running
-- sla holds for a list how old the first of it and how late a start may be: '<ms> <ms>', 0 for any. breaches holds since
-- when a threshold is broken, as '<list> age' or '<list> start'. A breach is over when a fifth of the threshold is left, so
-- that a value beside it is not told of again and again.
local SAMPLE, LATELY_MS, OVER = 100, 60000, 0.8

-- list -> how long those waited that have started lately for the first time and run now, in ms; of 100 tasks at most
local function late_starts()
  local found, waits = call('HRANDFIELD', RUNNING, SAMPLE, 'WITHVALUES'), {}
  for i = 1, #found, 2 do
    local run = read_record(found[i + 1])
    local since = run and run.attempt == 1 and tonumber(run.started) > now - LATELY_MS and waits_since(found[i])
    if since then
      waits[run.list] = waits[run.list] or {}
      table.insert(waits[run.list], math.max(0, run.started - since))
    end
  end
  return waits
end

local function age_of(list)
  local oldest = oldest_of(list)
  local since = oldest and waits_since(oldest)
  return since and math.max(0, now - since) or 0
end

-- of twenty, the second longest
local function late_start(waits)
  if not waits then return 0 end
  table.sort(waits)
  return waits[math.ceil(#waits * 0.95)]
end

-- reads only: {list, what is measured, ms that it may be, ms that it is, since when it is broken or nil} of each threshold
local function readings()
  local rows, waits, found, broken = {}, nil, call('HGETALL', SLA), {}
  local noted = call('HGETALL', BREACHES)
  for i = 1, #noted, 2 do broken[noted[i]] = tonumber(noted[i + 1]) end
  for i = 1, #found, 2 do
    local list, age, start = found[i], string.match(found[i + 1], '^(%d+) (%d+)$')
    age, start = tonumber(age or 0), tonumber(start or 0)
    if age > 0 then rows[#rows + 1] = {list, 'age', age, age_of(list)} end
    if start > 0 then
      waits = waits or late_starts()
      rows[#rows + 1] = {list, 'start', start, late_start(waits[list])}
    end
  end
  for _, row in ipairs(rows) do
    local since = broken[row[1] .. ' ' .. row[2]]
    if row[4] > row[3] * (since and OVER or 1) then row[5] = since or now end
  end
  return rows, broken
end
