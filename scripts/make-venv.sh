#!/bin/sh
# Makes a virtual environment unless it is there. On Debian the module for it may be missing: root gets it installed,
# anybody else is told how.
set -eu
python=$1
venv=$2

[ -x "$venv/bin/pip" ] && exit 0

command -v "$python" >/dev/null 2>&1 || { echo "make: there is no $python; install Python 3.11 or newer" >&2; exit 1; }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "make: $python is older than 3.11; name a newer one: make PYTHON=python3.12" >&2
  exit 1
}

if ! "$python" -c 'import ensurepip' >/dev/null 2>&1; then
  package="python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "make: installing $package" >&2
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends "$package"; } >/dev/null
  else
    echo "make: $python cannot make virtual environments; run: sudo apt-get install $package" >&2
    exit 1
  fi
fi

rm -rf "$venv"
exec "$python" -m venv "$venv"
