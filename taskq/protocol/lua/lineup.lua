-- lineup: how a list and some groups in it stand, as of one instant
-- FLAGS   no-writes
-- USES    group
-- INCLUDE lineup
-- ARGV    list keys*
-- REPLY   {tasks without an entry of their own, entries, first and last one, in words, {per key: first id or '', how many}}
local groups = {}
for i = first_keys, #ARGV do
  local n, key = 2 * (i - first_keys), GROUP .. list .. '/' .. ARGV[i]
  groups[n + 1], groups[n + 2] = call('LINDEX', key, '0') or '', call('LLEN', key)
end
return {how_it_stands(list), groups}
