-- awaited: what a task waits for, a family or a signal ('<number> <name>'), may have come already
-- USES signals family
-- A signal that begins with @ is for whoever waits for any. A family that is gone will not come.
local function has_come(id, awaited)
  local signal = string.match(awaited, ' (.+)$')
  if signal then return call('HEXISTS', SIGNALS .. id, signal) + call('HEXISTS', SIGNALS .. id, '@abort') > 0 end
  local family = call('HMGET', FAMILY .. awaited, 'total', 'done')
  return not family[1] or family[2]
end
