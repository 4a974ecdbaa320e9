-- events: publish what happened, if anybody listens
-- USES events
-- INCLUDE read_clock text
-- Building the JSON costs more than the whole rest of a submit, so a namespace without listeners does not pay for it.
local listening = call('PUBSUB', 'NUMSUB', EVENTS)[2] > 0 or call('PUBSUB', 'NUMPAT') > 0

-- fields: names and values in turn; ids and names fit a pattern that needs no escaping
local function emit(kind, ...)
  if not listening then return end
  if not now then read_clock() end
  local fields, parts = {...}, {}
  for i = 1, #fields, 2 do
    local value = fields[i + 1]
    parts[#parts + 1] = '"' .. fields[i] .. '":' .. (type(value) == 'number' and digits(value) or '"' .. value .. '"')
  end
  call('PUBLISH', EVENTS,
    '{"type":"' .. kind .. '","data":{' .. table.concat(parts, ',') .. '},"timestamp":"' .. iso(now) .. '"}')
end

local function emit_status(id, status, from)
  emit('task.status_changed', 'task_id', id, 'status', status, 'previous_status', from)
end
