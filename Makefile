# make study: the main job on the digits data.   make test: the whole test suite.   make bench, bench-gpu: speed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed-$(shell cat constraints.txt pyproject.toml | cksum | cut -d' ' -f1)

.PHONY: study test check space-check bench bench-gpu install format clean

study: install
	$(BIN)/python study/run.py --space search_spaces/digits.yaml
	$(BIN)/python -m analysis results/digits

test: install
	$(BIN)/python -m pytest --numprocesses 2

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The study files, without their data.
space-check: install
	$(BIN)/python -m study.check search_spaces/*.yaml

# Speed and memory, see benchmarks/README.md. On a CPU an epoch of PreAct ResNet-18 takes a minute.
BENCH := $(BIN)/python benchmarks
PARTS := step_efficiency epoch_breakdown memory augmentation two_networks baseline_loop
MINUTES ?= 9

bench: install
	for part in $(PARTS) scaling; do $(BENCH)/$$part.py --network digits || exit; done
	for part in $(PARTS); do $(BENCH)/$$part.py --network preact --steps 1 || exit; done
	$(BENCH)/mixture.py

bench-gpu: install
	for part in $(PARTS) scaling; do \
	  $(BENCH)/$$part.py --network preact --device cuda --precision bf16 --steps 20 --rounds 5 || exit; done
	for how in default graphs; do \
	  $(BENCH)/step_efficiency.py --network preact --device cuda --precision bf16 --compile $$how --steps 20 || exit; done
	$(BENCH)/step_efficiency.py --network preact --device cuda --steps 20
	$(BENCH)/step_efficiency.py --network digits --device cuda
	$(BENCH)/mixture.py --device cuda
	$(BENCH)/cifar10_gpu.py --output results/cifar10_gpu --minutes $(MINUTES)

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
