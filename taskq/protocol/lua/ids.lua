-- ids: a page of the ids that have one status, or of the dead letters or the sagas, the latest first
-- FLAGS   no-writes
-- USES    status dead sagas
-- ARGV    status cursor count:number
-- REPLY   {next cursor or '0', {ids}}
if status == 'dead' or status == 'sagas' then
  local from, page = tonumber(cursor), nil
  if status == 'dead' then
    page = call('ZREVRANGE', DEAD, from, from + count - 1)
  else
    page = call('ZREVRANGE', SAGAS, from, from + count - 1)
  end
  return {#page == count and tostring(from + count) or '0', page}
end
return call('SSCAN', STATUS .. status, cursor, 'COUNT', count)
