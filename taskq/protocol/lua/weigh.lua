-- weigh: weigh what waits already, a page at a time
-- FLAGS   allow-oom
-- USES    status task
-- INCLUDE weights
-- ARGV    cursor count:number
-- REPLY   {next cursor or '0', how many were looked at}
-- What comes to wait meanwhile is weighed by whoever brings it.
if not weighing then return {'0', 0} end

-- of an envelope, whose head has a fixed shape; see taskq/model/envelope.py
local function list_in(head)
  local at = string.match(head, '^{"id":"[^"]*","type":"[^"]*","created_at":"[^"]*",()') or #head + 1
  while true do
    local name, value, after = string.match(head, '^"([a-z_]+)":("?[^",%[]*"?),()', at)
    if not name then after = string.match(head, '^"[a-z_]+":%[[^%]]*%],()', at) end
    if name == 'queue' then return string.sub(value, 2, -2) .. ':' end
    if not after or name == 'checksum' then return 'default:' end
    at = after
  end
end

local page = call('SSCAN', STATUS .. 'pending', cursor, 'COUNT', count)
for _, id in ipairs(page[2]) do
  local head = redis.pcall('GETRANGE', TASK .. id, '0', '2047')
  weigh(id, list_in(type(head) == 'string' and head or ''))
end
return {page[1], #page[2]}
