# Needs CPython 3.10 or newer and make, nothing else.
#
#   make demo     a study on real data, from nothing: virtual environment, installation, 64 trials
#   make test     the whole test suite              (make test TESTS=tests/space ARGS="-x -k grid")
#   make check    format, lint, types and tests: what must pass before a change goes in
#   make format   puts the format right, and the lint faults that have one obvious cure
#   make bench    what the framework costs, beside Optuna and plain Ray Tune
#   make clean    removes caches and builds; make clean-all the virtual environment as well

PYTHON ?= python3
VENV   ?= .venv
RECIPE ?= recipes/digits-mlp.yaml
TESTS  ?=
ARGS   ?=
PIP    ?= $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

BIN       := $(VENV)/bin
VENV_MADE := $(VENV)/.made
INSTALLED := $(VENV)/.installed
DEV       := $(VENV)/.installed-dev

.PHONY: help install demo test check format bench clean clean-all
.DELETE_ON_ERROR:

help:
	@sed -n 's/^#  *make/make/p' Makefile

install: $(INSTALLED)

demo: $(INSTALLED)
	$(BIN)/lightning-hpo run $(RECIPE) $(ARGS)

test: $(DEV)
	$(BIN)/python -m pytest $(TESTS) $(ARGS)

check: $(DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest $(TESTS) $(ARGS)

format: $(DEV)
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

bench: $(DEV)
	$(BIN)/python benchmarks/overhead.py $(ARGS)

# The interpreter is looked at before anything is made, and a virtual environment that was made halfway counts as none.
$(VENV_MADE):
	@command -v $(PYTHON) >/dev/null || { \
	  echo "There is no '$(PYTHON)' here. Install CPython 3.10 or newer, or name one: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "$(PYTHON) is $$($(PYTHON) --version 2>&1), but lightning-hpo needs CPython 3.10 or newer."; \
	  echo "Name a newer one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make virtual environments: its modules venv and ensurepip are missing."; \
	  echo "On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { echo "Making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@touch $@

$(INSTALLED): $(VENV_MADE) pyproject.toml constraints.txt
	@echo "Installing lightning-hpo and what it needs into $(VENV). With PyTorch for CUDA these are about 5 GB: the first"
	@echo "time takes minutes, and pip is silent meanwhile."
	@$(PIP) --editable .
	@touch $@

$(DEV): $(INSTALLED)
	@echo "Installing the development tools"
	@$(PIP) --editable '.[dev]'
	@touch $@

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis lightning_logs
	find lightning_hpo tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

clean-all: clean
	rm -rf $(VENV)
