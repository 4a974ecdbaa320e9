-- exchange: keep one exchange of a session, if the fence of the attempt still holds
-- USES    session running
-- INCLUDE running
-- ARGV    session id fence limit:number ttl:number text
-- REPLY   1 kept or forgotten, 0 the attempt is stale, -1 kept and it is asked to stop
-- An exchange is stored as "<id> <text>". That of a task that ran before, or of the same call sent twice, is replaced
-- where it stands, so a session never holds one twice. With a ttl of 0 the session is forgotten, whoever asks.
if ttl == 0 then
  call('DEL', SESSION .. session)
  return 1
end
local run = read_record(call('HGET', RUNNING, id))
if not run or run.fence ~= fence then return 0 end
local kept, head, place = call('LRANGE', SESSION .. session, -limit, -1), id .. ' ', nil
for at = 1, #kept do
  if string.sub(kept[at], 1, #head) == head then place = at - 1 - #kept end
end
if place then
  call('LSET', SESSION .. session, place, head .. text)
else
  call('RPUSH', SESSION .. session, head .. text)
end
call('LTRIM', SESSION .. session, -limit, -1)
call('PEXPIRE', SESSION .. session, ttl)
return string.find(run.flags, 'c', 1, true) and -1 or 1
