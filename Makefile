# make study: the main job on the digits data.   make test: the whole test suite.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed-$(shell cat constraints.txt pyproject.toml | cksum | cut -d' ' -f1)

.PHONY: study test check space-check install format clean

study: install
	$(BIN)/python study/run.py --space search_spaces/digits.yaml
	$(BIN)/python -m analysis results/digits

test: install
	$(BIN)/python -m pytest

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The study files, without their data.
space-check: install
	$(BIN)/python -m study.check search_spaces/*.yaml

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The environment may be shared by several checkouts, so the project itself is linked anew each time.
install: $(STAMP)
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .

$(STAMP): constraints.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt setuptools
	$(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[test]'
	@touch $@

clean:
	rm -rf .venv results
