# make study: the main job on the digits data.   make test: the whole test suite, or TESTS=folder.   make docs: documentation.   make package: wheel.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
HASH := $(shell cat constraints.txt pyproject.toml Makefile | cksum | cut -d' ' -f1)
STAMP := $(VENV)/installed-$(HASH)
TEST_STAMP := $(VENV)/installed-test-$(HASH)

.PHONY: study test test-avx2 check docs space-check package try-package bench bench-gpu install install-test format clean

study: install
	$(BIN)/python study/run.py --space search_spaces/digits.yaml
	$(BIN)/python -m analysis results/digits

test: install-test
	$(BIN)/python -m pytest --numprocesses 2 $(TESTS)

# As on a CPU without AVX-512: what computes, without what only counts on it.
test-avx2: install-test
	ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2 \
	  $(BIN)/python -m pytest --numprocesses 2 tests/codim tests/reference tests/golden

check: install-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The documentation, into build/docs; a broken link or an undocumented name is an error.
docs: install-test
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "built build/docs/index.html"

# The study files, without their data.
space-check: install
	$(BIN)/python -m study.check search_spaces/*.yaml

# Wheel and source archive, checked; needs nothing of what a study needs.
package:
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --quiet setuptools build check-wheel-contents twine
	rm -rf build dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl

# The wheel in new environments of PYTHON, without and with the extra `study`; minutes.
try-package: package
	.ci/try-package $(PYTHON)

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
	$(BENCH)/cifar10_gpu.py --output results/airbench_gpu --short --network airbench --epochs 15 \
	  --pretrain-epochs 30 --rates 0.9 0.8 --minutes 8
	$(BENCH)/cifar10_gpu.py --output results/cifar10_gpu --minutes $(MINUTES)

format: install-test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# uv, where it is on the path or the package index has it, takes a fraction of pip's time; it knows no pip.conf.
# Its cache lies in the home folder, where there is one.
NO_CACHE = $(shell test -n "$$UV_CACHE_DIR$$XDG_CACHE_HOME" -o -w "$$HOME" || echo UV_NO_CACHE=1)
PIP = $(NO_CACHE) VIRTUAL_ENV=$(abspath $(VENV)) $$(command -v uv || command -v $(BIN)/uv || echo $(BIN)/python -m) pip install \
  --constraint constraints.txt
# Where Python may not keep what it compiles (PYTHONDONTWRITEBYTECODE, as in many containers), each process would compile
# PyTorch and Ray anew, which takes longer than to import them. pip compiles by itself.
COMPILE = $(if $(PYTHONDONTWRITEBYTECODE),UV_COMPILE_BYTECODE=1)
define environment
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing $(1) into $(VENV) (on x86-64 Linux PyTorch brings its GPU libraries: 3 GB to download, 6 GB there)"
	@command -v uv $(BIN)/uv >/dev/null || $(BIN)/python -m pip install --quiet --constraint constraints.txt uv || true
	@$(PIP) setuptools
	@$(COMPILE) $(PIP) --no-build-isolation --editable '.$(2)' || \
	  $(BIN)/python -m pip install --constraint constraints.txt --no-build-isolation --editable '.$(2)'
	@echo "installed $(1): $$(du -sh $(VENV) | cut -f1) in $(VENV)"
	@touch $@
endef

# The environment may be shared by several checkouts, so the project itself is linked anew each time.
install: $(STAMP)
	@$(PIP) --quiet --no-deps --no-build-isolation --editable .

install-test: $(TEST_STAMP)
	@$(PIP) --quiet --no-deps --no-build-isolation --editable .

$(STAMP): constraints.txt pyproject.toml Makefile
	$(call environment,what a study needs,[study])

$(TEST_STAMP): constraints.txt pyproject.toml Makefile
	$(call environment,what the tests need,[test])
	@touch $(STAMP)

clean:
	rm -rf .venv results build dist
