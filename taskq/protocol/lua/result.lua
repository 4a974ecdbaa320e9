-- result: the result of one task, and whether the task is known
-- FLAGS   no-writes
-- USES    result task
-- ARGV    id
-- REPLY   {result or nil, 1 if the task exists}
return {call('GET', RESULT .. id), call('EXISTS', TASK .. id)}
