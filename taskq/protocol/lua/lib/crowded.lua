-- crowded: tell whoever waits for room in a queue that there may be some
-- USES crowd queue
-- INCLUDE bell
-- Nobody waits nearly always: then it is one read.

-- reads only: the queues in which a submit has waited for room lately
local function crowded_queues()
  local queues = {}
  for queue in string.gmatch(call('GET', CROWD) or '', '([^ =]+)=%d+') do queues[#queues + 1] = queue end
  return queues
end

-- reads only: the list of these queues that one who waits stands in, near one of its ends, and which end
local function find_entry(queues, id)
  for _, queue in ipairs(queues) do
    for _, priority in ipairs({'low', 'normal', 'high', 'urgent'}) do
      local list = (queue == 'default' and '' or queue .. ':') .. priority
      for _, rank in ipairs({'1', '-1'}) do
        if call('LPOS', QUEUE .. list, id, 'RANK', rank, 'MAXLEN', '1000') then return list, rank end
      end
    end
  end
end

local function ring_for_room(queues)
  for _, queue in ipairs(queues) do ring('@room:' .. queue) end
end
