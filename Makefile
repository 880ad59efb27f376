# Every target sets up what it needs, on Debian 12 or Raspberry Pi OS with Python 3.11 and make.

SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test bench lint format lock clean

help: ## Show this help.
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(READY) ## Rehearse a race on this machine: readers, broker, results service, dashboard.
	$(BIN)/chip-bridge demo $(ARGS)

test: $(READY) ## Check the code and run every test.
	@sh .ci/need mosquitto mosquitto_pub systemd-analyze git
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest $(ARGS)

bench: $(READY) ## Measure the path from read to result.
	@sh .ci/need mosquitto mosquitto_pub
	$(BIN)/python -m tests.bench.run $(ARGS)

format: $(READY) ## Format the code.
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lock: $(READY) ## Bring uv.lock up to date with pyproject.toml.
	$(BIN)/python -m uv lock

clean: ## Remove everything that was made here.
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find bridge drivers tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml uv.lock .ci/set-up
	@PYTHON="$(PYTHON)" VENV="$(VENV)" sh .ci/set-up
	@touch $@
