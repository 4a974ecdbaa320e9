-- join: the beginning of a task with an ordering key
-- USES sequence state
-- puts a task at the end of its sequence; returns whether it is the only one there, and so need not wait
local function join_sequence(id, key)
  local last = call('ZRANGE', SEQUENCE .. key, '-1', '-1', 'WITHSCORES')
  call('ZADD', SEQUENCE .. key, (last[2] or 0) + 1, id)
  return not last[1]
end

-- what a task that waits for those before it has in its state
local function wait_in_sequence(id, key, list)
  call('HSET', STATE .. id, 'status', 'waiting', 'waits', '@sequence', 'sequence', key, 'list', list)
end
