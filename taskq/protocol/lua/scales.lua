-- scales: a page of what is weighed, of what waits, or of what is said of each queue
-- FLAGS   no-writes
-- USES    bytes weights status task bounds
-- ARGV    source cursor count:number
-- REPLY   {next cursor or '0', {queue, bytes, ...}, {who, what is wrong, ...}, how many were looked at}
-- source is weights, whose bytes are those of the page; pending, where nobody is asked for bytes; or bytes, which are those
-- that are said.
local sums, wrong, page = {}, {}, nil
local function note(who, what) wrong[#wrong + 1], wrong[#wrong + 2] = who, what end

if source == 'weights' then
  page = call('HSCAN', WEIGHTS, cursor, 'COUNT', count)
  for i = 1, #page[2], 2 do
    local id, size, queue = page[2][i], string.match(page[2][i + 1], '^(%d+) (.*)$')
    local stored = redis.pcall('STRLEN', TASK .. id)
    if not size then
      note(id, 'its weight cannot be read')
    elseif call('SISMEMBER', STATUS .. 'pending', id) == 0 then
      note(id, 'is weighed, and does not wait')
    elseif type(stored) == 'number' and stored > 0 and stored ~= tonumber(size) then
      note(id, 'has ' .. stored .. ' bytes and is weighed as ' .. size)
    end
    if size then sums[queue] = (sums[queue] or 0) + size end
  end
elseif source == 'pending' then
  page = call('SSCAN', STATUS .. 'pending', cursor, 'COUNT', count)
  local weights = #page[2] > 0 and call('HMGET', WEIGHTS, unpack(page[2])) or {}
  for n, id in ipairs(page[2]) do
    if not weights[n] then note(id, 'waits, and is not weighed') end
  end
else
  page = call('HSCAN', BYTES, cursor, 'COUNT', count)
  local by_bytes = false
  for _, text in ipairs(cursor == '0' and call('HGETALL', BOUNDS) or {}) do
    if string.find(text, '^%d+ %S+ %d+ %d+ %d+$') then by_bytes = true end
  end
  if cursor == '0' and by_bytes ~= (call('HEXISTS', BYTES, '@') == 1) then
    note('@', by_bytes and 'a limit counts bytes, and nothing is weighed' or 'no limit counts bytes, and all is weighed')
  end
  for i = 1, #page[2], 2 do
    -- '@' says that anything is weighed at all
    sums[page[2][i]] = page[2][i] == '@' and 0 or tonumber(page[2][i + 1]) or -1
  end
end
local words = {}
for queue, sum in pairs(sums) do words[#words + 1], words[#words + 2] = queue, sum end
return {page[1], words, wrong, source == 'pending' and #page[2] or #page[2] / 2}
