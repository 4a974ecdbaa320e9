-- tally: how many attempts with a key have had an answer within the time of a circuit, and how many of those were failures
-- USES tallies
-- INCLUDE clock
-- Counted by tenths of that time: "<tenth since 1970>" has the attempts, "!<tenth>" the failures among them.

-- reads only; returns both numbers, of this tenth and the nine before it, and which fields belong to no such tenth
local function tally_of(key, within)
  local tenth, attempts, failed, others = math.floor(now / math.ceil(within / 10)), 0, 0, {}
  local fields = call('HGETALL', TALLIES .. key)
  for i = 1, #fields, 2 do
    local at, count = tonumber(string.match(fields[i], '%d+')) or 0, tonumber(fields[i + 1]) or 0
    -- later than now: the clock was set back
    if at <= tenth - 10 or at > tenth then
      others[#others + 1] = fields[i]
    elseif string.byte(fields[i]) == 33 then
      failed = failed + count
    else
      attempts = attempts + count
    end
  end
  return attempts, failed, others
end
