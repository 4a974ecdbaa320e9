-- ids: a page of the ids that have one status, or of the dead letters
-- FLAGS   no-writes
-- USES    status dead
-- ARGV    status cursor count:number
-- REPLY   {next cursor or '0', {ids}}
if status == 'dead' then
  local from = tonumber(cursor)
  local page = call('ZREVRANGE', DEAD, from, from + count - 1)
  return {#page == count and tostring(from + count) or '0', page}
end
return call('SSCAN', STATUS .. status, cursor, 'COUNT', count)
