# Each target sets up what it needs in .venv. Nothing is assumed but Python >= 3.11 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help demo test slow lint format bench figures lock clean

help: ## show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 …")'
	@echo "Setting up $(VENV) with $(PYTHON) …"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.base: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Tellapart and what it needs into $(VENV): about 1 GB, no torch; a minute or so, once …"
	@$(PIP) install -c constraints.txt -e .
	@touch $@

$(VENV)/.full: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing all of it into $(VENV), with torch and what the tests need: several GB, some minutes, once …"
	@$(PIP) install -c constraints.txt -e '.[all,dev]'
	@touch $@ $(VENV)/.base

demo: $(VENV)/.base ## the main job end to end, offline, on pictures the project draws
	@$(BIN)/tellapart demo

test: $(VENV)/.full ## the tests, but for the few that take more than ten seconds each
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

slow: $(VENV)/.full ## the tests that take more than ten seconds each: whole runs, kills, stories in a browser
	$(BIN)/python -m pytest -n 2 --dist loadfile -m slow

lint: $(VENV)/.full ## style, types, import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.full ## put the code into its canonical form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.full ## every figure at a small scale, held to what does not hang on the machine
	$(BIN)/python -m pytest -n 2 --dist worksteal benchmarks

figures: $(VENV)/.full ## every figure at full scale into benchmarks/results/, resumable
	$(BIN)/python -m benchmarks

lock: ## renew constraints.txt from what the registry serves today
	rm -rf $(VENV)-lock
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip --disable-pip-version-check --quiet install '.[all,dev]'
	$(VENV)-lock/bin/python -m pip freeze --exclude tellapart | sort -f > constraints.txt
	rm -rf $(VENV)-lock build

clean: ## remove the environment and what tools left behind
	rm -rf $(VENV) build dist demo-out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
