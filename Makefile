# Set-up and the main jobs; `make help` lists them. The set-up is made once in $(VENV), from exact tested versions.
# A torch that is in $(VENV) already is kept if its version is the tested one, whatever device it was built for.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt --editable

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast lint docs gpu-first gpu-second clean clean-all

help: ## list the jobs
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

demo: $(VENV)/.ready-all ## all stages on made footage: results and a page in demo/
	$(BIN)/vlsa demo demo

test: lint ## check and test everything
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -q -n auto --dist loadgroup --no-loadscope-reorder

test-fast: lint ## the checks that train nothing, in about four minutes
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -q -n auto --dist loadgroup --no-loadscope-reorder -m "not slow"

lint: $(VENV)/.ready-test
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --no-cache --check .

gpu-first: ## on a GPU, 400 s: is the fast step the right one, and how fast; FLAGS="--only exact" and the like
	$(PYTHON) bench/first.py $(FLAGS)

gpu-second: ## on a GPU, 290 s: Table 5 at the size small, cut to fit, with curves; takes FLAGS too
	$(PYTHON) bench/second.py $(FLAGS)

docs: $(VENV)/.ready-all ## regenerate docs/cli.md from the help texts
	$(BIN)/python -m vlsa.cli.reference > docs/cli.md

clean: ## remove what the jobs made, but not the set-up
	rm -rf demo build dist *.egg-info .pytest_cache .ruff_cache
	find vlsa tests bench -name __pycache__ -type d -exec rm -rf {} +

clean-all: clean ## remove the set-up too
	rm -rf $(VENV)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "make: $(PYTHON) is older than Python 3.11; name another: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.ready-%: pyproject.toml constraints.txt | $(BIN)/python
	@echo "setting up $(VENV) (once; some minutes)"
	$(INSTALL) '.[$*]'
	@touch $@
