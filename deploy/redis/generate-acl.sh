#!/bin/sh
# Writes the rights of every role for a prefix: `./generate-acl.sh > users.acl`, or with another prefix
# `TASKQ_PREFIX=orders ./generate-acl.sh > users.acl`. Passwords: give each line --password-file, or set them on the
# server with `ACL SETUSER worker >password` and `ACL SAVE`.
set -eu
echo "user default off"
for role in producer worker scheduler viewer operator; do
    taskq acl --role "$role"
done
