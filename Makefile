# The recipes are CI's steps. `make test` needs Python 3.11+ and nothing else: it installs what it uses.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help serve setup system lint types floors unit test bench wheel clean

help: ## Show the recipes
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

serve: $(VENV)/.serve ## Install with the embedded model and run the server
	$(BIN)/llms serve

test: setup system lint types floors unit ## Install everything the tests need, check and test

setup: $(VENV)/.dev

$(VENV)/.dev: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,local]'
	@touch $@

$(VENV)/.serve: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[local]'
	@touch $@

system:
	@sh tools/install_system_packages.sh

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types:
	$(BIN)/mypy

floors:
	$(BIN)/lint-imports --no-cache

unit:
	$(BIN)/python -m pytest $(ARGS)

bench: setup ## Print our cost per request and per chunk beside the reference relay
	$(BIN)/python -m benchmarks $(ARGS)

wheel: setup
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

clean: ## Remove what the recipes made
	rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .cache
