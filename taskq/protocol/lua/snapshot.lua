-- snapshot: every key of a small namespace with its content, for tests and checks
-- FLAGS   no-writes
-- USES    root
-- ARGV    pattern limit:number
-- REPLY   {now ms, {key without root, type, ms to live or -1, content, ...}}; only the time when there are more keys than limit
local READ = {
  string = function(key) return call('GET', key) end,
  list = function(key) return call('LRANGE', key, 0, -1) end,
  set = function(key) return call('SMEMBERS', key) end,
  zset = function(key) return call('ZRANGE', key, 0, -1, 'WITHSCORES') end,
  hash = function(key) return call('HGETALL', key) end,
}
local clock = call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local keys = call('KEYS', pattern)
if #keys > limit then return {now} end
local dump = {}
for _, key in ipairs(keys) do
  local kind, n = call('TYPE', key).ok, #dump
  if READ[kind] then
    dump[n + 1], dump[n + 2], dump[n + 3] = string.sub(key, #ROOT + 1), kind, call('PTTL', key)
    dump[n + 4] = READ[kind](key)
  end
end
return {now, dump}
