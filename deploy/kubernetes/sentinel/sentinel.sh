#!/bin/sh
# Writes the configuration of a sentinel once; the sentinel itself keeps it up to date from then on.
set -eu
conf=/data/sentinel.conf
if [ ! -s "$conf" ]; then
    cat > "$conf" <<END
port 26379
dir /data
# pods come back under another address, but the same name
sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel announce-ip $(hostname).taskq-sentinel
sentinel monitor taskq taskq-redis-0.taskq-redis 6379 2
sentinel auth-pass taskq $REDIS_PASSWORD
# below a second a stall of a busy server looks like its death
sentinel down-after-milliseconds taskq 3000
sentinel failover-timeout taskq 30000
sentinel parallel-syncs taskq 1
END
fi
exec redis-server "$conf" --sentinel
