#!/bin/sh
# Builds the sdist, the wheel out of it, installs each into a new environment and runs it from a folder that knows
# nothing of this checkout: seeds, migrations and the demo must be inside. What to run before a release.
#   sh contrib/try-packages.sh [FOLDER]    FOLDER is for what is built; without it a temporary one, removed again
set -eu
source=$(cd "$(dirname "$0")/.." && pwd)
if [ $# -gt 0 ]; then
  folder=$(realpath -m "$1"); mkdir "$folder"
else
  folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
fi
python=${PYTHON:-python3}
unset PYTHONPATH

say() { printf '\n== %s\n' "$*"; }

say 'build'
"$python" -m venv "$folder/builder"
"$folder/builder/bin/pip" install --quiet --disable-pip-version-check build
"$folder/builder/bin/python" -m build --outdir "$folder/dist" "$source" > "$folder/build.log" 2>&1
ls -l "$folder/dist"

for package in "$folder"/dist/*.whl "$folder"/dist/*.tar.gz; do
  say "$(basename "$package")"
  site="$folder/$(basename "$package").d"
  mkdir "$site"
  "$python" -m venv "$site/venv"
  "$site/venv/bin/pip" install --quiet --disable-pip-version-check --constraint "$source/constraints.txt" \
    "$package[embedded,simulator,api,metrics]"
  mkdir "$site/elsewhere"
  cd "$site/elsewhere"
  program="$site/venv/bin/ipecs-mw"
  "$program" --version
  said=$("$program" --version | tr -dc '0-9.')
  case $(basename "$package") in
    ipecs_mw-"$said"-*.whl | ipecs_mw-"$said".tar.gz) ;;
    *) echo "the program says version $said" >&2; exit 1 ;;
  esac
  "$site/venv/bin/python" -c 'from ipecs_mw.store.migrations import find_migrations as f; print(*(m.name for m in f()))'
  _IPECS_MW_COMPLETE=bash_source "$program" | grep --quiet complete
  printf '{"mongo_uri": "embedded:mongo"}' > bootstrap.json
  "$program" seed
  "$program" migrate --status
  "$program" demo --seconds 8
  cd /
done
say 'both work'
