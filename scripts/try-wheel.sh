#!/bin/sh
# Builds the wheel, installs it by itself somewhere else, and uses it: the command, the page and the demo must be inside.
set -eu
python=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$work" .
"$python" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps "$work"/scrollcast-*.whl

cd "$work"
unset PYTHONPATH
export HOME="$work" XDG_CACHE_HOME="$work/cache"
"$work/venv/bin/scrollcast" --version
for file in man/man1/scrollcast.1 bash-completion/completions/scrollcast zsh/site-functions/_scrollcast \
  fish/vendor_completions.d/scrollcast.fish; do
  [ -s "$work/venv/share/$file" ] || { echo "$file is not in the wheel" >&2; exit 1; }
done
[ -s "$(echo "$work"/venv/lib/python3*/site-packages/scrollcast-*.dist-info/licenses/THIRD-PARTY-LICENSES.md)" ] || {
  echo "the licences of what is vendored are not in the wheel" >&2
  exit 1
}
"$work/venv/bin/python" -m scrollcast.conformance --write "$work/sessions"
[ -n "$(ls "$work/sessions")" ] || { echo "the conformance vectors are not in the wheel" >&2; exit 1; }
"$work/venv/bin/scrollcast" export 5ca1ab1e -o "$work/page.html"
grep -q 'data-block="0-contents"' "$work/page.html"
"$work/venv/bin/python" - "$work/venv/bin/scrollcast" <<'PYTHON'
"""Start the installed command, and ask it for the page, the list and one whole replay."""
import json
import re
import signal
import subprocess
import sys
import urllib.request

from websockets.sync.client import connect

server = subprocess.Popen([sys.argv[1], "serve", "--port", "0", "--no-open"], stdout=subprocess.PIPE, text=True)
try:
    address = server.stdout.readline().strip()
    page = urllib.request.urlopen(address).read().decode()
    main = re.search(r'src="/(assets/[0-9a-f]+/main\.js)"', page)
    assert main, "the page is not in the wheel"
    assert urllib.request.urlopen(address + main[1]).status == 200
    element = urllib.request.urlopen(address + "scrollcast-player.js").read().decode()
    assert "customElements.define" in element, "the element is not in the wheel"
    sessions = json.load(urllib.request.urlopen(address + "api/sessions"))["sessions"]
    assert sessions, "the demo is not in the wheel"
    url = address.replace("http", "ws", 1) + "ws/sessions/" + sessions[0]["scroll_id"]
    with connect(url, proxy=None) as socket:
        kinds = [json.loads(message)["type"] for message in socket]
    assert kinds[0] == "hello" and kinds[-1] == "end" and "event" in kinds, kinds
    print(f"the wheel serves its page and {len(sessions)} demo sessions")
finally:
    server.send_signal(signal.SIGINT)
    status = server.wait(10)
assert status == 0, f"it stopped with status {status}"
PYTHON
