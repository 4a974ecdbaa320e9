-- policy: what a submit does whose unique key is held already
-- USES successor state status queue scheduled tombstones blocked jams woken
-- INCLUDE terminate unique blocked
-- Only submits that say more of a unique key than its name come here.
local STARTS_ANEW = {replace = true, debounce = true}
-- those that another one takes the place of, in their order: {id, its place in the lists, ...}
local victims = {}

-- Returns whether a holder has ended, its key being kept for a while, and whether it must not be replaced: it runs, or is in
-- the midst of something.
local function standing(holder, key)
  local state = call('HMGET', STATE .. holder, 'status', 'unique', 'waits', 'families', 'saga')
  local status = state[1] or 'pending'
  if state[2] ~= key or status == 'failed' or status == 'cancelled' then return true, false end
  local midway = status == 'waiting' and string.byte(state[3] or '') ~= 64 or state[4] or state[5]
  return false, status == 'running' or midway
end

-- reads only: all that the end of the replaced one touches
local function check_victim(id, by, keep)
  local state = call('HMGET', STATE .. id, 'status', 'unique', 'blocked', 'list')
  local status = state[1] or 'pending'
  call('SCARD', STATUS .. status)
  call('SCARD', TOMBSTONES)
  call('ZCARD', SCHEDULED)
  if state[4] then call('LLEN', QUEUE .. state[4]) end
  if state[3] then
    call('ZCARD', BLOCKED .. state[3])
    call('ZCARD', JAMS)
    call('HLEN', WOKEN)
  end
  check_end(id, 'cancelled', state[2], keep)
  victims[#victims + 1] = {id = id, status = status, list = state[4], blocked = state[3], by = by, keep = keep}
end

-- Returns the id that stands for the task; or nil if it is stored, and whether it waits for the holder. The id of a holder
-- that makes it a duplicate comes third.
local function decide(task, holder)
  local policy, window, keep = string.match(task.rules, '^(%S+) %d+ (%d+) %d+ (%d+)$')
  local successor = call('GET', SUCCESSOR .. task.unique)
  if policy == 'debounce' then task.due_ms = math.max(task.due_ms or 0, now + window) end
  local over, begun = false, true
  if holder then over, begun = standing(holder, task.unique) end
  if over and not successor then return holder end
  if policy == 'reject' then return nil, false, holder or successor end
  if not STARTS_ANEW[policy] and policy ~= 'queue_one' then return holder or successor end
  local last = successor or not begun and holder
  if not last then return nil, holder end
  if policy == 'queue_one' then return last end
  check_victim(last, task.id, tonumber(keep))
  return nil, last == successor and (call('HGET', STATE .. successor, 'behind') or holder) or false
end

-- Whoever was submitted just now stands near the tail of its list, and is taken out there, so that one that is replaced again
-- and again leaves no row of tombstones.
local function end_victims()
  for _, victim in ipairs(victims) do
    local id, list = victim.id, victim.list
    if victim.status == 'pending' then
      if list and call('LPOS', QUEUE .. list, id, 'RANK', '-1', 'MAXLEN', '1000') then
        call('LREM', QUEUE .. list, '-1', id)
      else
        call('SADD', TOMBSTONES, id)
      end
    else
      call('ZREM', SCHEDULED, id)
    end
    leave_blocked(id, victim.blocked)
    terminate(id, 'cancelled', victim.status, gone_json(id, 'replaced by ' .. victim.by), victim.keep)
    call('HSET', STATE .. id, 'reason', 'replaced')
  end
end
