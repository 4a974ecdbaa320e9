-- purge: delete a task that waits, as if it had never been submitted
-- USES task state checkpoint signals sagas
-- INCLUDE clock events family sequence unique
-- reads only: all that the deletion touches; returns what the task is tied to
local function check_purge(id)
  local ties = call('HMGET', STATE .. id, 'unique', 'parents', 'families', 'sequence', 'rules', 'started', 'succeeds')
  check_unique(ties[1])
  check_parents(ties[2])
  check_sequence(ties[4])
  return ties
end

-- the caller has taken it out of its place and its status set, and counts it
local function forget(id, ties, list)
  count_down(id, ties[2], 'purged', gone_json(id, 'purged while it waited'))
  expire_families(ties[3], 0)
  call('UNLINK', TASK .. id, STATE .. id, CHECKPOINT .. id, SIGNALS .. id)
  call('ZREM', SAGAS, id)
  emit('task.purged', 'task_id', id, 'list', list)
  leave_sequence(id, ties[4])
  release_unique(id, ties[1], outlives(ties[5], 'purged', ties[6]))
  leave_succession(id, ties[7])
end
