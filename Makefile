PYTHON ?= python3
VENV ?= .venv
# What `make test` runs: everything, or e.g. TESTS=tests/data
TESTS ?=

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
CHECKED := src tests benchmarks

.PHONY: demo test lint types check mutants clean

demo: $(INSTALLED)
	$(BIN)/explanans demo

test: $(INSTALLED)
	$(BIN)/pytest $(TESTS)

lint: $(INSTALLED)
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/ruff format --check $(CHECKED)
	$(BIN)/lint-imports

types: $(INSTALLED)
	$(BIN)/mypy

check: lint types test

# Mutation testing (cosmic-ray), on a copy: each small change of MUTATED has to make MUTANT_TESTS fail. About three seconds
# a mutant, so an hour for the defaults; a part: make mutants MUTATED=src/explanans/ops/targets.py MUTANT_TESTS=tests/ops
MUTATED ?= $(wildcard src/explanans/objectives/*.py src/explanans/ops/*.py) \
	src/explanans/explanations/receipt.py src/explanans/explanations/cut.py \
	src/explanans/training/calibration.py src/explanans/training/module.py
MUTANT_TESTS ?= tests/objectives tests/ops tests/explanations/test_receipt.py tests/explanations/test_cut.py \
	tests/training/test_calibration.py tests/training/test_classification.py
COMMA := ,
EMPTY :=
SPACE := $(EMPTY) $(EMPTY)

mutants: $(INSTALLED)
	rm -rf build/mutants && git clone --quiet . build/mutants
	sed 's#@FILES@#$(subst $(SPACE),$(COMMA),$(patsubst %,"%",$(strip $(MUTATED))))#; s#@TESTS@#$(strip $(MUTANT_TESTS))#' \
		mutants.toml > build/mutants/session.toml
	cd build/mutants && export PATH="$(abspath $(BIN)):$$PATH" PYTHONPATH=src && \
		cosmic-ray init session.toml session.sqlite && cosmic-ray exec session.toml session.sqlite && \
		cr-report --surviving-only session.sqlite && cr-rate session.sqlite

# The environment is made once, and installed anew when the dependencies change.
$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv demo build dist .ruff_cache .mypy_cache .pytest_cache .import_linter_cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
