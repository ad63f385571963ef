# The verbs of this project. `make run` and `make test` need only Python 3.11 and make; they install the rest.

PYTHON ?= python3
VENV := .venv
DOCS_VENV := .venv-docs
BIN := $(VENV)/bin
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/npm --loglevel=error --no-fund --no-audit
export PYTHONPATH := $(CURDIR)/server
export PYTHONDONTWRITEBYTECODE := 1

.DEFAULT_GOAL := help
.PHONY: help run test check lint types page browser bench bench-all bench-short fuzz fuzz-short torture torture-short soak soak-short package docs lock vendor contract manual demo screenshots clean

help:  ## list the verbs
	@sed -n 's/^\([a-z-]*\):.*##/\1\t/p' $(MAKEFILE_LIST)

run: $(VENV)/run.stamp  ## serve archive_fixtures/ and open the browser where there is one
	@$(BIN)/python -m scrollcast serve archive_fixtures

test: $(VENV)/dev.stamp node_modules/stamp  ## run every test
	@CHROMIUM="$$(scripts/find-chromium.sh)" $(BIN)/python -m pytest $(PYTEST_ARGS)
	@$(NPM) test

check: lint types test page package docs fuzz-short bench-short soak-short  ## all that CI runs

lint: $(VENV)/dev.stamp  ## format, lint, layers
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports

types: $(VENV)/dev.stamp  ## types of code, tests, benchmarks and examples
	@$(BIN)/mypy

page: $(VENV)/dev.stamp node_modules/stamp  ## lint and types of the page
	@$(NPM) run lint
	@$(NPM) run types

browser: $(VENV)/dev.stamp node_modules/stamp  ## only the tests in a real browser
	@CHROMIUM="$$(scripts/find-chromium.sh)" $(BIN)/python -m pytest -m browser $(PYTEST_ARGS)

bench: $(VENV)/dev.stamp node_modules/stamp  ## the benchmarks of streaming, and build/benchmarks.json: ten minutes
	@$(BIN)/python -m benchmarks --json build/benchmarks.json

bench-all: $(VENV)/dev.stamp node_modules/stamp  ## these and those of growth, workers, compression, the page, the catalogue and search: 40 minutes
	@$(BIN)/python -m benchmarks --all --json build/benchmarks.json

bench-short: $(VENV)/dev.stamp  ## all of them with small sizes: shows that they run
	@$(BIN)/python -m benchmarks --all --short

fuzz: $(VENV)/dev.stamp  ## strange and hostile files through every reader, and messages to a replay: 14 minutes
	@$(BIN)/python -m benchmarks.hostile_files
	@$(BIN)/python -m benchmarks.fuzz_commands --seconds 120
	@$(BIN)/python -m benchmarks.fuzz_readers --seconds 600

fuzz-short: $(VENV)/dev.stamp  ## 25 seconds of it, always the same files and messages
	@$(BIN)/python -m benchmarks.fuzz_commands --random --seconds 5
	@$(BIN)/python -m benchmarks.fuzz_readers --random --seconds 20

torture: $(VENV)/dev.stamp  ## kill clients, lines and servers while 200 clients follow: every log has to be whole; 15 minutes
	@SCROLLCAST_TORTURE_CLIENTS=200 SCROLLCAST_TORTURE_KILLS=1000 SCROLLCAST_TORTURE_RESTARTS=50 SCROLLCAST_TORTURE_ROUNDS=10 SCROLLCAST_TORTURE_STOPS=30 \
		$(BIN)/python -m pytest tests/stream/test_fault_torture.py tests/stream/test_follow_torture.py \
		"tests/cli/test_serve.py::test_it_stops_in_good_order_while_very_many_clients_come_and_go" $(PYTEST_ARGS)

torture-short: $(VENV)/dev.stamp  ## the same with 12 clients, 30 kills and 3 restarts, as `test` has it too: 45 seconds
	@$(BIN)/python -m pytest tests/stream/test_fault_torture.py tests/stream/test_follow_torture.py $(PYTEST_ARGS)

SECONDS ?= 1800
soak: $(VENV)/dev.stamp  ## mixed load for 30 minutes (SECONDS=): memory, open files and tasks have to be level
	@$(BIN)/python -m benchmarks.soak --seconds $(SECONDS)

soak-short: $(VENV)/dev.stamp  ## 30 seconds of it
	@$(BIN)/python -m benchmarks.soak --seconds 30

package: $(VENV)/dev.stamp  ## build the wheel and try it with the checkout out of the way
	@scripts/try-wheel.sh $(BIN)/python

docs: $(DOCS_VENV)/stamp  ## the documentation as a site in build/docs, its links looked at
	@$(DOCS_VENV)/bin/python scripts/documentation.py

lock: $(VENV)/dev.stamp  ## pin the newest allowed versions
	@scripts/lock.sh $(BIN)/python

vendor: $(VENV)/dev.stamp node_modules/stamp  ## take the page's libraries from npm anew
	@$(NPM) run vendor

contract: $(VENV)/run.stamp  ## write the OpenAPI and AsyncAPI documents and the vectors in docs/contract anew
	@$(BIN)/python -m scrollcast.contract docs/contract
	@PYTHONPATH=scripts $(BIN)/python -m vectors docs/contract/vectors

manual: $(VENV)/dev.stamp  ## write the manual page and the completions for shells in share anew
	@$(BIN)/python scripts/manual.py share

demo: $(VENV)/run.stamp  ## write the demo sessions anew
	@$(BIN)/python archive_fixtures/make_demo.py

screenshots: $(VENV)/dev.stamp  ## take the pictures in docs/screenshots anew
	@CHROMIUM="$$(scripts/find-chromium.sh)" $(BIN)/python -m benchmarks.screenshots

clean:  ## remove what was installed and built
	rm -rf $(VENV) $(DOCS_VENV) node_modules dist build

$(VENV)/run.stamp: requirements.lock
	@echo "make: installing what is needed into $(VENV), once" >&2
	@scripts/make-venv.sh $(PYTHON) $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(VENV)/dev.stamp: requirements-dev.lock
	@echo "make: installing what is needed into $(VENV), once" >&2
	@scripts/make-venv.sh $(PYTHON) $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

$(DOCS_VENV)/stamp: requirements-docs.lock
	@echo "make: installing what is needed into $(DOCS_VENV), once" >&2
	@scripts/make-venv.sh $(PYTHON) $(DOCS_VENV)
	@$(DOCS_VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-docs.lock
	@touch $@

node_modules/stamp: package-lock.json $(VENV)/dev.stamp
	@$(NPM) ci
	@touch $@
