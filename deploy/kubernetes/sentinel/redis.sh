#!/bin/sh
# Starts a server as a replica of whatever the sentinels call the primary; the first one begins as the primary.
set -eu
host="$(hostname).taskq-redis"
primary=$(redis-cli -h taskq-sentinel -p 26379 sentinel get-master-addr-by-name taskq 2>/dev/null | head -n 1 || true)
primary=${primary:-taskq-redis-0.taskq-redis}
set -- /etc/redis/redis.conf --requirepass "$REDIS_PASSWORD" --masterauth "$REDIS_PASSWORD" \
    --replica-announce-ip "$host" --min-replicas-to-write 1 --min-replicas-max-lag 10
[ "$primary" = "$host" ] || set -- "$@" --replicaof "$primary" 6379
exec redis-server "$@"
