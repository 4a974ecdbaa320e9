-- fire: claim one slot of a recurring definition and submit its task, once however many schedulers run
-- USES    schedules slots task status counters queues
-- INCLUDE clock text bell events large groups weights
-- ARGV    name definition slot:number id body list
-- REPLY   1 submitted, 0 another scheduler was first, -1 the definition has changed
if call('HGET', SCHEDULES, name) ~= definition then return -1 end
if slot <= tonumber(call('HGET', SLOTS, name) or 0) then return 0 end
local group = group_in(body)
check_line(list, group)
call('SCARD', STATUS .. 'pending')
call('HLEN', COUNTERS)
call('SCARD', QUEUES)
check_size(body)
local known = call('GET', TASK .. id)
call('HSET', SLOTS, name, digits(slot))
if known then return 0 end
call('SET', TASK .. id, body)
note_size()
line_up(id, list, group)
call('SADD', STATUS .. 'pending', id)
weigh(id, list, #body)
local queue = string.match(list, '^(.*):')
if queue then call('SADD', QUEUES, queue) end
call('HINCRBY', COUNTERS, 'submitted', 1)
ring(list)
emit_submitted(id, 'pending', list)
return 1
