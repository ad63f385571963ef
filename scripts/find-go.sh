#!/bin/sh
# Says whether there is Go with its package gorilla/websocket, which the test of examples/clients/tail.go needs. Where
# there is not, root on Debian gets both installed (half a minute), unless that fails or takes more than two.
set -u

is_there() {
  command -v go >/dev/null 2>&1 && [ -d /usr/share/gocode/src/github.com/gorilla/websocket ]
}

if ! is_there && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "installing golang-go for the test of a client" >&2
  timeout 120 sh -c 'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends golang-go golang-github-gorilla-websocket-dev' >/dev/null 2>&1
fi
is_there || echo "no Go: the test of the client in it is skipped" >&2
