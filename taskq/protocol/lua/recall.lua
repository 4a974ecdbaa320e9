-- recall: the checkpoint of one task, and whether the task is known
-- FLAGS   no-writes
-- USES    checkpoint task
-- ARGV    id
-- REPLY   {checkpoint or nil, 1 if the task exists}
return {call('GET', CHECKPOINT .. id), call('EXISTS', TASK .. id)}
