#!/bin/sh
# Members of a replica set know each other by a key file: made once, kept in the volume.
umask 077
[ -s /data/configdb/keyfile ] || head -c 500 /dev/urandom | base64 -w 0 > /data/configdb/keyfile
chown mongodb:mongodb /data/configdb/keyfile
exec docker-entrypoint.sh mongod --replSet rs0 --keyFile /data/configdb/keyfile --bind_ip_all
