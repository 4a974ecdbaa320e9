-- commit: store children, keep a checkpoint and complete the task, all of it or nothing, if its fence still holds
-- USES    checkpoint state counters running result sagas signals
-- INCLUDE intake settle sweep running
-- ARGV    id fence nonce saga data groups:number max_length:number rest*
-- REPLY   {code, detail}: 1 done, now or before; -1 done, and it is asked to stop; 0 the attempt is stale; -2 and an id that
--         belongs to another task; -3 and {full list, its length}
-- data ('' for none) is a checkpoint that is kept as long as the task. groups is 1 if the task completes: then rest begins
-- with its completion, as in a settle. What follows is id, body and list of each child. nonce is made up for this one call.
-- saga ('' for none of it) is how far a saga has come, as its state and its index show it; one that has turned round has
-- heard that it is to. No allow-oom flag: it adds tasks.
local run, state = read_record(call('HGET', RUNNING, id)), call('HMGET', STATE .. id, 'commit')
local at = first_rest + 5 * groups
if not run or run.fence ~= fence then
  -- a completed task keeps nothing but its result
  return {groups == 1 and call('GET', RESULT .. id) == ARGV[at - 1] and 1 or 0, 0}
end
local done = string.find(run.flags, 'c', 1, true) and -1 or 1
if state[1] == nonce then return {done, 0} end
for i = at, #ARGV, 3 do add_newcomer(ARGV[i], ARGV[i + 1], ARGV[i + 2]) end
local count = #newcomers.ids
if count > 0 then
  local known = known_newcomer()
  if known then return {-2, known} end
  local full = check_room(max_length)
  if full then return {-3, full} end
end
call('ZCARD', SAGAS)
call('HLEN', SIGNALS .. id)
check_settles(groups, 0, first_rest)
-- the sweep reads something yet
sweep(groups * 8)
if count > 0 then
  call('HINCRBY', COUNTERS, 'submitted', count)
  let_in()
end
if saga ~= '' then
  call('ZADD', SAGAS, 'NX', now, id)
  if string.sub(saga, 1, 7) ~= 'running' then call('HDEL', SIGNALS .. id, '@abort') end
end
if groups == 1 then
  settle_all()
  return {1, count}
end
call('HSET', STATE .. id, 'status', 'running', 'commit', nonce)
if saga ~= '' then call('HSET', STATE .. id, 'saga', saga, 'begun', '1') end
add_flag(id, run, 'h')
if data ~= '' then call('SET', CHECKPOINT .. id, data) end
return {done, count}
