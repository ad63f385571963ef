#!/bin/sh
# Writes requirements.lock, requirements-dev.lock and requirements-docs.lock anew from pyproject.toml, with hashes and without any address.
set -eu
python=$1
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"$python" -m venv "$tools"
"$tools/bin/pip" install --quiet --disable-pip-version-check pip-tools

compile() {
  "$tools/bin/pip-compile" --quiet --upgrade --strip-extras --generate-hashes --allow-unsafe --no-header --no-annotate \
    --no-emit-index-url --no-emit-trusted-host --no-emit-find-links "$@" pyproject.toml
}

compile --output-file requirements.lock
compile --output-file requirements-dev.lock --extra dev --constraint requirements.lock
compile --output-file requirements-docs.lock --extra docs --constraint requirements.lock
