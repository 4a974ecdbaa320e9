-- rows: what a list shows of some tasks: no payload, and of a long result only its end
-- FLAGS   no-writes
-- USES    task state result status running scheduled
-- ARGV    ids*
-- REPLY   {per id: {head of the envelope or nil, {state field, value, ...}, result or its end or nil, 1 if it is pending,
--         record or nil, due ms or nil}}
local SHORT, END = 16384, 400

-- the envelope up to its payload, which may be a megabyte
local function head(key)
  for _, size in ipairs({1024, 65536}) do
    local text = call('GETRANGE', key, 0, size - 1)
    if text == '' then return nil end
    local _, last = string.find(text, '"payload":', 1, true)
    if not last then _, last = string.find(text, '"sealed":"', 1, true) end
    if last then return string.sub(text, 1, last) end
    if #text < size then return text end
  end
  return ''
end

local rows = {}
for i = first_ids, #ARGV do
  local id, long = ARGV[i], call('STRLEN', RESULT .. ARGV[i]) > SHORT
  rows[#rows + 1] = {head(TASK .. id) or false, call('HGETALL', STATE .. id),
    long and call('GETRANGE', RESULT .. id, -END, -1) or call('GET', RESULT .. id),
    call('SISMEMBER', STATUS .. 'pending', id), call('HGET', RUNNING, id), call('ZSCORE', SCHEDULED, id)}
end
return rows
