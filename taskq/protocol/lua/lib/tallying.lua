-- tallying: count the answers of attempts with a key
-- USES tallies
-- INCLUDE tally
-- Apart from what reads them, for scripts that may not write.

local function count_answers(key, within, attempts, failed)
  local length = math.ceil(within / 10)
  local tenth = string.format('%d', math.floor(now / length))
  if failed > 0 then call('HINCRBY', TALLIES .. key, '!' .. tenth, failed) end
  if call('HINCRBY', TALLIES .. key, tenth, attempts) > attempts then return end
  -- the first ones of a tenth: what has become too old goes
  local _, _, others = tally_of(key, within)
  if #others > 0 then call('HDEL', TALLIES .. key, unpack(others)) end
  call('PEXPIRE', TALLIES .. key, string.format('%d', within + length))
end
