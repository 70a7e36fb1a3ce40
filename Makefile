# The commands of the house. Each installs what it needs and may be typed first on a fresh machine.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
# Set UV to use a uv of your own.
UV ?= $(shell command -v uv || echo .tools/uv/bin/uv)

.PHONY: help setup lock check test demo bench format

help: ## Say what there is
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

.tools/uv/bin/uv:
	@echo "uv is not on PATH: installing it into .tools/uv"
	python3 -m venv .tools/uv
	.tools/uv/bin/pip install --quiet 'uv>=0.7,<1'

$(STAMP): pyproject.toml requirements.lock | $(filter .tools/uv/bin/uv,$(UV))
	@echo "Installing Earmark and its tools into $(VENV)"
	test -x $(PY) || $(UV) venv --quiet --python '>=3.11' $(VENV)
	$(UV) pip install --quiet --python $(PY) --constraint requirements.lock \
	  --editable '.[models,notebooks]' --group dev
	touch $(STAMP)

setup: $(STAMP) ## Make .venv with everything that the demo and the tests need

lock: | $(filter .tools/uv/bin/uv,$(UV)) ## Resolve every dependency and extra anew into requirements.lock
	$(UV) pip compile --quiet --universal --python-version 3.11 --all-extras --group dev \
	  --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command 'make lock' \
	  pyproject.toml --output-file requirements.lock
