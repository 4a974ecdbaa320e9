-- scanned: a page of a set, never more of it than asked for
-- A small set comes whole, whatever the COUNT of SSCAN: the cursor then says, behind its own, how much was handed out.
local function scan_page(key, cursor, count)
  local from, seen = string.match(cursor, '^(%d+) ?(%d*)$')
  local page, found = call('SSCAN', key, from, 'COUNT', count), {}
  seen = tonumber(seen) or 0
  for i = seen + 1, math.min(seen + count, #page[2]) do found[#found + 1] = page[2][i] end
  if seen + count < #page[2] then return found, from .. ' ' .. seen + count end
  return found, page[1]
end
