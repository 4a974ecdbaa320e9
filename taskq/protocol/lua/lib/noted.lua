-- noted: what one of the last two turns of a worker returned, for when it comes again
-- USES    worker processing running task state
-- INCLUDE text running promote
-- "<seq>|<first fence>|<hold>|<refused ids>"; what was claimed stands last in the worker's list

-- as a claim tells them: below 0, -1 for none, if the task has begun what is to come to its end
local function retries_of(retries, begun)
  return begun and -1 - (tonumber(retries) or 0) or tonumber(retries) or 0
end

-- the reply; nil if the turn is an older one, or one that has never been
local function noted(number)
  local note = call('HGET', WORKER .. worker, 'turn' .. number % 2) or ''
  local of, first, held_back, refused_text = string.match(note, '^(%d*)|(%d*)|([01])|([^|]*)$')
  if of ~= digits(number) then return nil end
  local refused, ids, bodies, counts = {}, {}, {}, {}
  for id in string.gmatch(refused_text, '[^ ]+') do refused[#refused + 1] = id end
  for _, id in ipairs(call('LRANGE', PROCESSING .. worker, '-1000', '-1')) do
    local run = read_record(call('HGET', RUNNING, id))
    if run and run.fence == first .. '.' .. token .. '.' .. of then
      local n = #ids + 1
      ids[n], bodies[n] = id, call('GET', TASK .. id) or ''
      counts[2 * n - 1], counts[2 * n] = run.attempt, retries_of(unpack(call('HMGET', STATE .. id, 'retries', 'begun')))
    end
  end
  return {1, now, first, until_next(), tonumber(held_back), refused, ids, bodies, counts, number}
end
