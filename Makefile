# Every target makes .venv and installs by itself when something changed, and does nothing twice.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
export DAGSTER_HOME := $(CURDIR)

# The first supported Python on the PATH; override with `make PYTHON=… demo`.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$python && break; done)

.PHONY: help install demo dev test check mutants format bench clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(INSTALLED) ## .venv with everything pinned

$(INSTALLED): constraints.txt pyproject.toml billing_assets/domain/_line_reader.pyx
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed and none is on the PATH: install one, or name it with 'make PYTHON=/path/to/python3.11'." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "'$(PYTHON) -m venv' failed: install the venv package of your system (Debian: python3-venv)." >&2; exit 1; }
	@echo "Installing the pinned packages (two minutes, once) ..."
	@# Every package is pinned with its hash, so nothing is left to resolve.
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r constraints.txt
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(INSTALLED) ## the whole chain on the embedded stack, with sample data
	@$(BIN)/billing-assets demo

dev: $(INSTALLED) ## the same with the Dagster UI on 127.0.0.1
	@$(BIN)/billing-assets dev

test: check ## every check and every test
	@$(BIN)/python -m pytest --numprocesses auto --dist loadfile

check: $(INSTALLED) ## format, lint, strict types, import directions
	@$(BIN)/ruff format --check --quiet . || { echo "Run 'make format'." >&2; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

mutants: $(INSTALLED) ## mutation tests of the rules that decide what is billed (ten minutes)
	@$(BIN)/mutmut run
	@$(BIN)/mutmut results

format: $(INSTALLED) ## write the format that `make check` wants
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

bench: $(INSTALLED) ## measure next to others and to the machine's limit; writes benchmarks/RESULTS.md (16 minutes)
	@$(BIN)/python -m benchmarks --output benchmarks/RESULTS.md

clean: ## remove the embedded stack's state and Dagster's history; the next demo starts anew
	@rm -rf .billing .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis mutants
