#!/bin/sh
# Makes the folder `secrets` that docker-compose.yml reads: passwords for MongoDB, the bootstrap that holds one of
# them, and the phone system's password, asked for. What exists is kept.
set -eu
cd "$(dirname "$0")/.."
umask 077
mkdir -p secrets  # the folder is closed to others; the files are read by the containers' accounts

make() { # NAME: a password that needs no encoding in a URI
  [ -s "secrets/$1" ] || head -c 24 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n' > "secrets/$1"
}

make mongo_root_password
make mongo_password
if [ ! -s secrets/bootstrap.json ]; then
  uri="mongodb://ipecs_mw:$(cat secrets/mongo_password)@mongo:27017/ipecs_mw?authSource=admin&directConnection=true"
  printf '{"mongo_uri": "%s"}\n' "$uri" > secrets/bootstrap.json
fi
if [ ! -s secrets/ipecs_password ]; then
  printf 'Password of the Web API account at the phone system: ' >&2
  [ ! -t 0 ] || stty -echo
  IFS= read -r password || true
  [ ! -t 0 ] || { stty echo; echo >&2; }
  [ -n "$password" ] || { echo 'no password given: secrets/ipecs_password is missing' >&2; exit 1; }
  printf '%s\n' "$password" > secrets/ipecs_password
fi
chmod 0444 secrets/*
