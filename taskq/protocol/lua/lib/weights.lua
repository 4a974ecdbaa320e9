-- weights: how many bytes the tasks hold that wait in the lists of each queue, while the bytes of any queue are limited
-- USES bytes weights task
-- weights says of each pending id '<bytes> <queue>', and bytes of each queue what those add up to. As long as any limit
-- counts bytes, '@' stands among the latter; without it nothing is weighed. An id is weighed once, however often it is
-- said to wait, so whoever begins to weigh may walk through what waits already while others come and go.
local weighing = call('HLEN', BYTES) > 0
if weighing then call('HLEN', WEIGHTS) end

-- it is pending from now on; size is that of its envelope, if it is at hand
local function weigh(id, list, size)
  if not weighing then return end
  -- one of another type is none: whoever claims it finds out
  size = size or redis.pcall('STRLEN', TASK .. id)
  local queue = string.match(list, '^(.*):') or 'default'
  if type(size) == 'number' and call('HSETNX', WEIGHTS, id, size .. ' ' .. queue) == 1 then
    call('HINCRBY', BYTES, queue, size)
  end
end

-- they are not pending any more
local function unweigh(ids)
  if not weighing then return end
  local lighter = {}
  for _, entry in ipairs(call('HMGET', WEIGHTS, unpack(ids))) do
    local size, queue = string.match(entry or '', '^(%d+) (.*)$')
    if size then lighter[queue] = (lighter[queue] or 0) + size end
  end
  call('HDEL', WEIGHTS, unpack(ids))
  for queue, size in pairs(lighter) do call('HINCRBY', BYTES, queue, -size) end
end
