-- lineup: how a list stands whose tasks have groups, see lib/groups
-- USES queue grouped
-- Whoever comes to it or is taken from it changes one of these: how many have no entry of their own, how many entries it has, or
-- which is the first or the last.
local function how_it_stands(list)
  local key = QUEUE .. list
  return (call('HGET', GROUPED, list) or '0') .. ' ' .. call('LLEN', key) .. ' ' .. (call('LINDEX', key, '0') or '')
    .. ' ' .. (call('LINDEX', key, '-1') or '')
end
