-- inspect: everything about some tasks, as of one instant
-- FLAGS   no-writes
-- USES    task state result status running
-- ARGV    ids*
-- REPLY   {per id: {envelope or nil, {state field, value, ...}, result or nil, 1 if it is pending, record or nil}}
local replies = {}
for i = first_ids, #ARGV do
  local id = ARGV[i]
  replies[#replies + 1] = {call('GET', TASK .. id), call('HGETALL', STATE .. id), call('GET', RESULT .. id),
    call('SISMEMBER', STATUS .. 'pending', id), call('HGET', RUNNING, id)}
end
return replies
