-- read_sla: how long tasks wait in the lists that have thresholds
-- FLAGS   no-writes
-- INCLUDE thresholds
-- REPLY   {list, 'age' or 'start', ms that it may be, ms that it is, since when it is broken in ms or 0, ...}
local flat = {}
for _, row in ipairs(readings()) do
  for n = 1, 5 do flat[#flat + 1] = row[n] or 0 end
end
return flat
