PYTHON ?= python3
VENV ?= .venv
# What `make test` runs: everything, or e.g. TESTS=tests/data
TESTS ?=

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
CHECKED := src tests benchmarks website examples/tutorials

.PHONY: demo test lint types check docs tutorials diagrams mutants clean

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

# The site, into build/site: strict, without a network.
docs: $(INSTALLED)
	$(BIN)/python website/build_site.py

# What the tutorials print and show, measured anew: TUTORIAL=one_photo for one of them.
TUTORIAL ?=

tutorials: $(INSTALLED)
	$(BIN)/python website/run_tutorials.py $(TUTORIAL)

# After a Mermaid diagram was changed; needs Chromium and npm.
diagrams:
	$(PYTHON) website/draw_diagrams.py

# Small changes of the code, each of which has to make a test fail; a part of them: MUTANTS="--only receipts --sample 0"
MUTANTS ?=

mutants: $(INSTALLED)
	$(BIN)/python benchmarks/mutants.py $(MUTANTS)

# The environment is made once, and installed anew when the dependencies change.
$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv demo build dist .ruff_cache .mypy_cache .pytest_cache .import_linter_cache .cache
	find src tests benchmarks website -name __pycache__ -type d -prune -exec rm -rf {} +
