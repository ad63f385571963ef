#!/bin/sh
# Prints the path of a Chromium. Where there is none, root on Debian gets one installed, anybody else is told how.
set -eu

find_one() {
  for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable; do
    if [ -n "$name" ] && command -v "$name" 2>/dev/null; then
      return 0
    fi
  done
  return 1
}

find_one && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "make: installing chromium for the tests of the page" >&2
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      chromium fonts-dejavu-core; } >/dev/null
  find_one && exit 0
fi
echo "make: the tests of the page need a Chromium; run: sudo apt-get install chromium, or name one in CHROMIUM" >&2
exit 1
