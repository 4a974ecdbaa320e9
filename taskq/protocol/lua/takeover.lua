-- takeover: take tasks over from workers that have held them for long
-- FLAGS   allow-oom
-- USES    processing task state worker meta running
-- INCLUDE clock text running
-- ARGV    worker token seq:number idle:number rest*
-- REPLY   as turn: {code, now ms, fence of the first, -1, 0, {}, {ids}, {body per id}, {attempt, retries per id}, seq}
-- rest is id and fence for each: what somebody has taken meanwhile has another fence and is left alone. idle is how long
-- ago the attempt must have begun, in ms. The numbers of turns count these calls too: a repeated seq returns what the
-- first one returned, one that comes too late is refused. What was asked to stop, or runs alone as a suspect, stays, and so
-- does what follows the first half of a megabyte.
local card = call('HMGET', WORKER .. worker, 'token', 'seq', 'solo', 'turn' .. seq % 2)
if card[1] ~= token then return {0, seq} end
local repeated = seq <= tonumber(card[2] or 0)
local of, first = string.match(card[4] or '', '^(%d*)|(%d*)|')
if repeated and of ~= digits(seq) then return {-1, seq} end
if not repeated then first = digits(math.max(now_us, (call('HGET', META, 'fence') or 0) + 1)) end
local fence = first .. '.' .. token .. '.' .. digits(seq)
local ids, bodies, counts, runs, taken, bytes = {}, {}, {}, {}, {}, 0
local alone = call('LLEN', PROCESSING .. worker) > 0 and card[3]
for i = first_rest, #ARGV, 2 do
  local id = ARGV[i]
  local run = not taken[id] and read_record(call('HGET', RUNNING, id))
  local wanted = run and run.fence == fence
  if run and not repeated then
    wanted = not alone and bytes < 524288 and run.fence == ARGV[i + 1] and run.worker ~= worker and not string.find(run.flags, 'c', 1, true)
      and now - run.started >= idle
  end
  if wanted then
    local state, body = call('HMGET', STATE .. id, 'retries', 'crashes'), call('GET', TASK .. id)
    if body and (repeated or (tonumber(state[2]) or 0) < 2) then
      local n = #ids + 1
      call('LLEN', PROCESSING .. run.worker)
      ids[n], bodies[n], runs[n], taken[id], bytes = id, body, run, true, bytes + #body
      counts[2 * n - 1], counts[2 * n] = repeated and run.attempt or run.attempt + 1, tonumber(state[1]) or 0
    end
  end
end
if repeated then return {1, now, first, -1, 0, {}, ids, bodies, counts, seq} end

-- the number first: without it, the same call sent again would take what has fallen idle since
call('HSET', WORKER .. worker, 'seq', digits(seq), 'turn' .. seq % 2, digits(seq) .. '|' .. first .. '|0|')
if #ids > 0 then call('HSET', META, 'fence', digits(first + #ids - 1)) end
for n, id in ipairs(ids) do
  local run = runs[n]
  call('LREM', PROCESSING .. run.worker, 1, id)
  call('RPUSH', PROCESSING .. worker, id)
  write_record(id, {fence = fence, worker = worker, list = run.list, attempt = digits(run.attempt + 1), started = digits(now),
    held = run.held, flags = run.flags})
end
return {1, now, first, -1, 0, {}, ids, bodies, counts, seq}
