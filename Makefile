# `make test` and `make bench` do all of it on a fresh machine with Python 3.11 or newer: a virtual environment in
# .venv, the package with every CPU extra at the versions of .constraints.txt (your own pip settings are honoured), the work.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python -m

.PHONY: test test-all bench report lint clean

test: $(VENV)/installed
	$(RUN) pytest tests -n 2 --dist loadfile

test-all: $(VENV)/installed
	$(RUN) pytest tests -n 2 --dist loadgroup -m "slow or not slow"

bench: $(VENV)/installed
	$(RUN) pytest bench --benchmark-only; code=$$?; $(RUN) bench.report && exit $$code

report: $(VENV)/installed
	$(RUN) bench.report

lint: $(VENV)/installed
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(VENV)/bin/lint-imports

$(VENV)/installed: pyproject.toml .constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "relufit needs Python 3.11 or newer: make PYTHON=python3.12 test")'
	$(PYTHON) -m venv $(VENV)
	$(RUN) pip install --quiet --constraint .constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
