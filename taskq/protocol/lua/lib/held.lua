-- held: what the records of runs say of the permits that they hold
-- USES running permits sole
-- Reads only. Runs begin and end at any time, so all of them are looked at as of one instant, if they are not too many.
local STEP, STEPS = 500, 10
local runs_with

-- the keys in a record, with a space around each
local function held_in(record)
  local keys, flags = string.match(record, '^%S+ %S+ %S+ %d+ %d+( .+ )([-hcl]+)$')
  return keys and string.find(flags, 'l', 1, true) and keys
end

local function count_runs()
  local counts, seen, cursor = {}, {}, '0'
  for _ = 1, STEPS do
    local page = call('HSCAN', RUNNING, cursor, 'COUNT', STEP)
    for i = 1, #page[2], 2 do
      local keys = not seen[page[2][i]] and held_in(page[2][i + 1]) or ''
      seen[page[2][i]] = true
      for key in string.gmatch(keys, '[^ ]+') do counts[key] = (counts[key] or 0) + 1 end
    end
    cursor = page[1]
    if cursor == '0' then return counts end
  end
end

-- Returns how many run with a key if another number is said of it, and what is said, if anything. Those who hold it alone have
-- '=' before it.
local function miscounted(key)
  if runs_with == nil then runs_with = count_runs() or false end
  if not runs_with or string.find(key, '^=?@') then return nil end
  local alone = string.byte(key) == 61
  local run, said = runs_with[key] or 0, nil
  if alone then
    run, said = math.min(run, 1), call('SISMEMBER', SOLE, string.sub(key, 2)) == 1 and '1'
  else
    said = call('HGET', PERMITS, key)
  end
  if said ~= (run > 0 and tostring(run)) then return run, said end
end

local function miscount_of(key)
  local run, said = miscounted(key)
  return run and run .. ' run with it, and ' .. (said or 'none') .. ' are counted'
end
