# The recipes are CI's steps. `make test` needs Python 3.11+ and nothing else: it installs what it uses.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# llama-cpp-python, which takes minutes to compile, is compiled by `make nightly` and kept here for every later run.
WHEELS ?= $(HOME)/.cache/llms/wheels

# Tests wait more than they compute: three at a time keep two cores busy.
JOBS   ?= 3

# Whatever the server does has to hold on both of its paths.
TWICE  := tests/server tests/gateway tests/e2e

.DEFAULT_GOAL := help
.PHONY: help serve setup system lint types floors unit slowpath test nightly chaos soak differential bench streams benchui screenshots wheel clean

help: ## Show the recipes
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 20

serve: $(VENV)/.serve ## Install with the embedded model and run the server
	$(BIN)/llms serve

test: setup system lint types floors unit ## Install everything the tests need, check and test

setup: $(VENV)/.dev

$(VENV)/.dev: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,local]'
	@for wheel in $(WHEELS)/llama_cpp_python-*.whl; do \
	  if [ -e "$$wheel" ]; then $(BIN)/python -m pip install --quiet --disable-pip-version-check "$$wheel"; fi; done
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

# What fails among others on a busy machine is tried once more, alone: a defect fails again, and both runs are printed.
unit:
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist worksteal $(ARGS) || \
	  $(BIN)/python -m pytest --last-failed --last-failed-no-failures none $(ARGS)
	$(MAKE) slowpath

# Without server.fast_path: those tests of server, gateway and whole processes that serve as they are told to.
slowpath: export LLMS_TESTS_FAST_PATH = off
slowpath:
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist worksteal $(or $(ARGS),$(TWICE)) || \
	  $(BIN)/python -m pytest --last-failed --last-failed-no-failures none $(or $(ARGS),$(TWICE))

nightly: setup system ## All tests, those of llama-cpp-python too, which is compiled if need be
	@ls $(WHEELS)/llama_cpp_python-*.whl >/dev/null 2>&1 || \
	  $(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir $(WHEELS) 'llama-cpp-python>=0.3.36'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(WHEELS)/llama_cpp_python-*.whl
	LLMS_TESTS_STRICT=1 $(BIN)/python -m pytest --numprocesses $(JOBS) --dist worksteal $(ARGS)

chaos: setup system ## 500 resumable streams: connections cut, servers changed, Redis lost, a server killed
	LLMS_CHAOS=500 $(BIN)/python -m pytest --timeout 600 -rP tests/e2e/test_resuming.py tests/e2e/test_resuming_elsewhere.py $(ARGS)

differential: setup ## 10,000 cases that hypothesis makes up, played to both paths of the server
	LLMS_DIFFERENTIAL=10000 $(BIN)/python -m pytest --timeout 3600 tests/server/differential/test_any_case.py $(ARGS)

soak: setup ## Half an hour of load with faults: wrong answers, memory, descriptors, tasks (ARGS='--minutes 5 --rate 500')
	$(BIN)/python -m tests.soak $(ARGS)

benchui: setup system ## What the web chat's reader feels: dropped frames, opening and searching many chats
	$(BIN)/python -m benchmarks.ui $(ARGS)

bench: setup ## Print our cost per request and per chunk beside the reference relay
	$(BIN)/python -m benchmarks $(ARGS)

streams: setup ## What resumable streams take: first tokens, recovery, memory while open and once they are forgotten
	$(BIN)/python -m benchmarks.streams $(ARGS)

screenshots: setup system ## Take pictures of the web chat into .cache/screenshots
	$(BIN)/python tools/screenshots.py

wheel: setup
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

clean: ## Remove what the recipes made
	rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .cache
