# The commands of the house. Each installs what it needs and may be typed first on a fresh machine.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TEST_STAMP := $(VENV)/.test-installed
# Set UV to use a uv of your own.
UV ?= $(shell command -v uv || echo .tools/uv/bin/uv)
# Extra arguments for `make test`, such as ARGS='-k card'.
ARGS ?=

.PHONY: help setup lock check test demo bench format

help: ## Say what there is
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

.tools/uv/bin/uv:
	@echo "uv is not on PATH: installing it into .tools/uv"
	@python3 -m venv .tools/uv
	@.tools/uv/bin/pip install --quiet --disable-pip-version-check 'uv>=0.7,<1'

$(STAMP): pyproject.toml requirements.lock | $(filter .tools/uv/bin/uv,$(UV))
	@echo "Installing Earmark and its tools into $(VENV); about a minute on a fresh machine"
	@test -x $(BIN)/python || $(UV) venv --quiet --python '>=3.11' $(VENV)
	@$(UV) pip install --quiet --python $(BIN)/python --constraint requirements.lock \
	  --editable '.[console,models,notebooks,similarity]' --group dev
	@touch $(STAMP)

setup: $(STAMP) ## Make .venv with everything that the demo and the tests need

lock: | $(filter .tools/uv/bin/uv,$(UV)) ## Resolve every dependency and extra anew into requirements.lock
	$(UV) pip compile --quiet --universal --python-version 3.11 --all-extras --group dev \
	  --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command 'make lock' \
	  pyproject.toml --output-file requirements.lock

# The audit's large engines and Ray: about 6 GB with torch, so only tests and benchmarks bring them.
$(TEST_STAMP): $(STAMP)
	@echo "Installing torch, pyannote.audio, openai-whisper and Ray for the tests; minutes on a fresh machine"
	@$(UV) pip install --quiet --python $(BIN)/python --constraint requirements.lock \
	  --editable '.[console,models,notebooks,similarity,offline,scale]' --group dev
	@touch $(TEST_STAMP)

check: setup ## Format, lint, types, import contracts, and the rule book's own cases
	@echo "ruff";         $(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .
	@echo "mypy";         $(BIN)/mypy
	@echo "import-linter"; $(BIN)/lint-imports --no-cache | tail -n 4
	@echo "rule book";    $(BIN)/earmark rules lint && $(BIN)/earmark rules test

test: $(TEST_STAMP) ## Install what the tests need, servers included, and run them
	@scripts/system_packages.sh
	@python3 scripts/tools.py ensure livekit-server versitygw egress-peer oidc-provider >/dev/null || \
	  echo "Without these servers, their tests are skipped."
	@$(BIN)/pytest $(ARGS)

demo: setup ## Everything at once: a LiveKit room, live alerts, the audit, the report
	@python3 scripts/tools.py ensure livekit-server >/dev/null || true
	@LIVEKIT_SERVER_BIN="$$(python3 scripts/tools.py path livekit-server)" $(BIN)/earmark demo

bench: $(TEST_STAMP) ## Measure what the documentation claims about speed
	@for file in tests/benchmarks/bench_*.py; do echo "== $$file"; $(BIN)/python $$file; done

format: setup ## Format and mend what can be mended
	@$(BIN)/ruff format --quiet . && $(BIN)/ruff check --quiet --fix .
