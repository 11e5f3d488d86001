# Set-up and the main jobs; `make help` lists them. The set-up is made once in $(VENV), from exact tested versions.
# A torch that is in $(VENV) already is kept if its version is the tested one, whatever device it was built for.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt --editable

.DEFAULT_GOAL := help
.PHONY: help demo test docs reproduce-gpu bench-gpu clean clean-all

help: ## list the jobs
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

demo: $(VENV)/.ready-all ## the whole way on made footage: results and a page in demo/
	$(BIN)/vlsa demo demo

test: $(VENV)/.ready-test ## check and test everything
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --no-cache --check .
	$(BIN)/python -m pytest -q

reproduce-gpu: ## Table 5, GAM beside VTM and the controls at the size small, on a GPU; goes on where it was
	bench/reproduce_gpu.sh

bench-gpu: ## all measurements that need a GPU, within 20 minutes; goes on where it was
	bench/gpu.sh

docs: $(VENV)/.ready-all ## write docs/cli.md anew from the help texts
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
