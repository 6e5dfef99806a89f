#!/bin/sh
# Does by hand what the Dockerfile does, in a plain Debian 12 root, where no container engine is at hand.
#   sudo sh contrib/try-image.sh FOLDER    a folder that is not there yet; needs debootstrap
# Debian's own Python 3.11 stands in for the image's.
set -eu
root=$(realpath -m "${1:?a folder for the root, such as /var/tmp/ipecs-mw-root}")
source=$(cd "$(dirname "$0")/.." && pwd)
[ ! -e "$root" ] || { echo "$root exists" >&2; exit 2; }

say() { printf '\n== %s\n' "$*"; }
inside() { chroot "$root" /usr/bin/env -i PATH=/opt/ipecs-mw/bin:/usr/bin:/bin "$@"; }

say 'a root with Python'
debootstrap --variant=minbase --include=python3-venv,ca-certificates bookworm "$root" > "$root.log" 2>&1
cp /etc/resolv.conf "$root/etc/"
# the way to PyPI is this machine's, with its proxy and authorities
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
[ ! -e /etc/pip.conf ] || cp /etc/pip.conf "$root/etc/"

say 'what .dockerignore lets through, nothing else'
mkdir "$root/source"
sed -n 's/^!//p' "$source/.dockerignore" | while read -r name; do cp -r "$source/$name" "$root/source/"; done

say 'the build stage'
inside python3 -m venv /opt/ipecs-mw
inside sh -c "cd /source && pip install --no-cache-dir --disable-pip-version-check --quiet --constraint constraints.txt '.[api,metrics]'"
inside pip uninstall --yes --quiet pip setuptools
rm -r "$root/source"

say 'the last stage, as the account without rights'
inside /usr/sbin/useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin ipecs-mw
inside install --directory --owner ipecs-mw --group ipecs-mw --mode 0700 /var/lib/ipecs-mw
as_user() { chroot --userspec=10001:10001 "$root" /usr/bin/env -i PATH=/opt/ipecs-mw/bin:/usr/bin:/bin "$@"; }
as_user ipecs-mw --version
as_user python3 -c 'from ipecs_mw.seeds import read_json; read_json("commands.json")'
as_user python3 -c 'from ipecs_mw.store.migrations import find_migrations as f; print(len(f()), "migrations inside")'
as_user python3 -c 'import prometheus_client, ipecs_mw.api.server'
! as_user sh -c 'touch /opt/ipecs-mw/x' 2>/dev/null || { echo 'the program is writable' >&2; exit 1; }
status=0; as_user ipecs-mw status || status=$?
[ "$status" = 3 ] || { echo "without a bootstrap: exit $status instead of 3" >&2; exit 1; }

say "size of /opt/ipecs-mw: $(du -sh "$root/opt/ipecs-mw" | cut -f1)"
