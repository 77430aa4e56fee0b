# Everything runs in .venv, which is made on first use: `make demo` and `make test` need Python 3.11+ and make only.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
CODE := $(wildcard src tests docs examples benchmarks tools)
.DEFAULT_GOAL := help

# The Python that makes .venv: the first of these that is new enough, unless you say `make PYTHON=/path/to/python`.
PYTHONS := python3 python3.14 python3.13 python3.12 python3.11
PYTHON ?= $(firstword $(foreach p,$(PYTHONS),$(shell $(p) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(p))))

.PHONY: help install demo test lint format doctest docs browser clean

help:  ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

install: $(VENV)/.installed  ## make .venv and install the package in it

demo: $(VENV)/.installed  ## find the fixed points of the bundled flip-flop network; writes demo/
	$(BIN)/python examples/demo.py

test: $(VENV)/.test-installed  ## run the tests
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 -m "not docs and not browser" $(ARGS)

lint: $(VENV)/.test-installed  ## check formatting, style and types
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/pyright --pythonpath $(BIN)/python

format: $(VENV)/.test-installed  ## bring the code into its format
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

doctest: $(VENV)/.test-installed  ## run the examples in docstrings, the README, the documentation and the demo
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --doctest-modules src
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 -m docs tests

docs: $(VENV)/.docs-installed  ## build the documentation into docs/_build/html
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "open docs/_build/html/index.html"

browser: $(VENV)/.test-installed  ## look at the figures of the documentation in Chromium, after `make docs`
	$(BIN)/python -m pytest --numprocesses 2 -m browser tests/test_pages.py

clean:  ## remove everything that was made, .venv included
	rm -rf $(VENV) demo dist docs/_build docs/auto_examples docs/notebooks docs/sg_execution_times.rst
	rm -f docs/_static/plotly.min.js docs/_static/figures_dark.js
	rm -rf .pytest_cache .ruff_cache .hypothesis
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: each is newer than pyproject.toml once what it stands for is installed.
$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(PIP) --editable .
	@touch $@

$(VENV)/.test-installed: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[test]'
	@touch $@ $(VENV)/.installed

$(VENV)/.docs-installed: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[docs]'
	@touch $@ $(VENV)/.installed

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then \
	    echo "Python 3.11 or newer is needed and was not found on the PATH (tried: $(PYTHONS))." >&2; \
	    echo "Install it, or name it: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; fi
	@if ! $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
	    echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1)." >&2; exit 1; fi
	@if ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
	    echo "$(PYTHON) cannot make virtual environments: its venv or ensurepip module is missing." >&2; \
	    echo "On Debian and Ubuntu they come with: apt-get install python3-venv" >&2; exit 1; fi
	$(PYTHON) -m venv $(VENV)
