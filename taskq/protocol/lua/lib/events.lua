-- events: publish what happened, if anybody listens
-- USES events
-- INCLUDE read_clock text
-- Building the JSON costs more than the whole rest of a submit, so a namespace without listeners does not pay for it.
local listening = call('PUBSUB', 'NUMSUB', EVENTS)[2] > 0 or call('PUBSUB', 'NUMPAT') > 0

-- the end of every event of one script, made when the first one needs it
local stamp
local function stamped()
  if not now then read_clock() end
  stamp = stamp or '},"timestamp":"' .. iso(now) .. '"}'
  return stamp
end

-- fields: names and values in turn; ids and names fit a pattern that needs no escaping
local function emit(kind, ...)
  if not listening then return end
  local fields, parts = {...}, {}
  for i = 1, #fields, 2 do
    local value = fields[i + 1]
    parts[#parts + 1] = '"' .. fields[i] .. '":' .. (type(value) == 'number' and digits(value) or '"' .. value .. '"')
  end
  call('PUBLISH', EVENTS, '{"type":"' .. kind .. '","data":{' .. table.concat(parts, ',') .. stamped())
end

local function emit_status(id, status, from)
  if not listening then return end
  call('PUBLISH', EVENTS, '{"type":"task.status_changed","data":{"task_id":"' .. id .. '","status":"' .. status
    .. '","previous_status":"' .. from .. '"' .. stamped())
end

local function emit_submitted(id, status, list)
  if not listening then return end
  call('PUBLISH', EVENTS, '{"type":"task.submitted","data":{"task_id":"' .. id .. '","status":"' .. status
    .. '","list":"' .. list .. '"' .. stamped())
end

local function emit_completed(id, worker_id)
  if not listening then return end
  emit_status(id, 'completed', 'running')
  call('PUBLISH', EVENTS, '{"type":"task.completed","data":{"task_id":"' .. id .. '","status":"completed","worker_id":"'
    .. worker_id .. '"' .. stamped())
end
