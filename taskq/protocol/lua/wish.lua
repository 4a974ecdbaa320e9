-- wish: say what a worker is to do; the next beat for it takes the wish along
-- FLAGS   allow-oom
-- USES    worker
-- ARGV    worker state slots level
-- REPLY   1, or 0 if there is no such worker
-- Each word may be '-': as it was wished before. What the worker has followed stands in granted, written by card.
local card = call('HMGET', WORKER .. worker, 'token', 'wish')
if not card[1] then return 0 end
local words = {state, slots, level}
local n = 0
for before in string.gmatch(card[2] or '', '[^ ]+') do
  n = n + 1
  if words[n] == '-' then words[n] = before end
end
call('HSET', WORKER .. worker, 'wish', table.concat(words, ' ', 1, 3))
return 1
