#!/bin/sh
# Prints the path of a Firefox, or nothing: the tests in it are then skipped. Where there is none, root on Debian gets
# one installed, unless that fails or takes more than five minutes.
set -u

find_one() {
  for name in "${FIREFOX:-}" firefox-esr firefox; do
    if [ -n "$name" ] && command -v "$name" 2>/dev/null; then
      return 0
    fi
  done
  return 1
}

find_one && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "installing firefox-esr for the tests of the page" >&2
  timeout 300 sh -c 'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends firefox-esr' >/dev/null 2>&1
  find_one && exit 0
fi
echo "no Firefox: its tests are skipped" >&2
