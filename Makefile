# Sluice. Needs Python 3.11 or newer and make; everything else comes into .venv.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help run test lint format dashboards bench fuzz kafka lock clean

help: ## Show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

run: .venv/.installed ## Start the gateway on the embedded log at port 8000 (the environment is honoured)
	@exec $(BIN)/sluice serve

test: .venv/.installed-dev ## Run every test that this machine can run, and say which it left out and why
	$(BIN)/python -m pytest

lint: .venv/.installed-dev ## Check style, types, layers and locks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

dashboards: .venv/.installed-dev ## Write the Grafana dashboards from what observability/dashboards says
	$(BIN)/python -m observability.dashboards

format: .venv/.installed-dev ## Format the code
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

bench: .venv/.installed-dev ## Measure this machine: ratios to bare floors, all in one run
	$(BIN)/python -m benchmarks

fuzz: .venv/.installed-dev ## Fuzz every parser at the door for SECONDS (60) each; needs Linux
	$(PIP) install --require-hashes -r requirements-fuzz.lock
	@for target in $$(ls fuzz/corpus); do \
		echo "== $$target"; $(BIN)/python -m fuzz $$target $(or $(SECONDS),60) || exit 1; done

kafka: .venv/.installed-dev ## Start a real Kafka in the foreground at port 9092 (needs Java 17 and Maven)
	@exec $(BIN)/python tests/kafka_server.py --port 9092

lock: .venv/.installed-dev ## Resolve the dependencies again and write the lock files
	$(BIN)/uv pip compile -q --universal --upgrade --generate-hashes --no-header --python-version 3.11 \
		pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --universal --upgrade --generate-hashes --no-header --python-version 3.11 \
		pyproject.toml --extra tracing -o requirements-tracing.lock
	$(BIN)/uv pip compile -q --universal --upgrade --generate-hashes --no-header --python-version 3.11 \
		pyproject.toml --extra tracing --group test --group lint -o requirements-dev.lock
	$(BIN)/uv pip compile -q --universal --upgrade --generate-hashes --no-header --python-version 3.11 \
		--group fuzz -o requirements-fuzz.lock

clean: ## Remove what this Makefile made; never data
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Sluice needs Python 3.11 or newer; none was found." >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.installed: .venv/bin/python requirements.lock pyproject.toml
	$(PIP) install --require-hashes -r requirements.lock
	$(PIP) install --no-deps --editable .
	@touch $@

.venv/.installed-dev: .venv/bin/python requirements-dev.lock pyproject.toml
	$(PIP) install --require-hashes -r requirements-dev.lock
	$(PIP) install --no-deps --editable .
	@touch .venv/.installed $@
