-- notice: count violations that somebody came across
-- FLAGS   allow-oom
-- USES    counters meta
-- ARGV    nonce number:number
-- REPLY   1 counted, 0 counted before
call('HLEN', COUNTERS)
if call('HGET', META, 'noticed') == nonce then return 0 end
call('HSET', META, 'noticed', nonce)
call('HINCRBY', COUNTERS, 'violations', number)
return 1
