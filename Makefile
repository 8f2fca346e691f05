# make demo: everything from an empty environment to report.html.  make test: the test suite.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# An editable install knows its Python files by name: a new one asks for a new install.
STAMP  := $(VENV)/.installed-$(shell find src -name '*.py' | sort | cksum | cut -d ' ' -f 1)
C_FILES := $(shell find native src/signbin benchmarks/cortex_m -name '*.c' -o -name '*.h' -o -name '*.cpp')
ROW_FILES := $(shell find native -name '*.def' -o -name '*.in' -o -name '*.cmake' -o -name '*.S')
BUILD_FILES := pyproject.toml constraints.txt requirements.lock CMakeLists.txt $(C_FILES) $(ROW_FILES)
DEMO   ?= demo
PYTEST_FLAGS ?= -n 2 --dist worksteal
# How often wheels are built: twice to compare them, once to have one.
COPIES ?= 2

.PHONY: wheel wheel-arm lock sbom sanitize help install demo test test-all check check-all lint types format bench pages docs page \
  compilers arm test-arm check-kernels fuzz fuzz-tools trust ci-tools clean

help:
	@echo "make install   make $(VENV) with signbin (editable) and everything it is developed with"
	@echo "make demo      train, compile, check and report a signed-binary network: report.html"
	@echo "make test      run the test suite, of every wide sweep a slice"
	@echo "make test-all  run the test suite, wide sweeps and all"
	@echo "make check     lint, types, C formatting, docs and tests: what must pass before a change lands"
	@echo "make check-all the same with the wide sweeps: what .ci/run runs"
	@echo "make wheel     the wheel, built twice, compared, and run without a compiler: build/wheel"
	@echo "make wheel-arm the same for 64-bit ARM, run in QEMU: build/wheel-aarch64"
	@echo "make lock      requirements.lock: what 'make install' installs, with hashes"
	@echo "make sbom      the bill of materials of the wheel, CycloneDX: build/sbom"
	@echo "make docs      build the documentation into docs/_build"
	@echo "make page      a page that recognises what is drawn on it, with WebAssembly: build/page/index.html"
	@echo "make bench     time every layer on this machine, into benchmarks/results, and make pages"
	@echo "make pages     write every generated page from the committed results"
	@echo "make compilers the C library without warnings, and its test, by gcc -O2 and clang -O0"
	@echo "make arm       signbin built for 64-bit ARM, and its C test in QEMU"
	@echo "make test-arm  the same, and its kernels and programs"
	@echo "make check-kernels every kernel alone: guard pages, registers, missing features, 64-bit ARM"
	@echo "make fuzz      bytes that nobody wrote for every reader, on from where it ended before; needs clang"
	@echo "make sanitize  the C tests and a slice of the Python tests under every sanitizer"
	@echo "make trust     every compiler at -O0 to -O3, and the rest of what docs/reliability.md counts: hours,"
	@echo "               which it states"
	@echo "make ci-tools  apt packages a bare Debian lacks (needs root); make fuzz-tools those of make fuzz, too"

install: $(STAMP)

$(STAMP): $(BUILD_FILES)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { echo "error: $(PYTHON) cannot make an environment; run 'make ci-tools' as root" >&2; rm -rf $(VENV); exit 1; }
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@# PyTorch is the one that the machine has (docs/decisions): its version is fixed alone.
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation \
	  -C cmake.define.SIGNBIN_WERROR=ON -C cmake.define.SIGNBIN_CHECK_KERNELS=ON -e .
	@rm -f $(VENV)/.installed-*
	@touch $@

demo: install
	sh examples/demo.sh $(BIN) $(DEMO)

test: install
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

test-all: install
	$(BIN)/python -m pytest -m "" $(PYTEST_FLAGS)

check: install lint types docs test

check-all: install lint types docs test-all

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run --Werror $(C_FILES)

types: install
	$(BIN)/mypy

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(C_FILES)

wheel: install
	PATH="$(CURDIR)/$(BIN):$$PATH" sh packaging/wheel.sh "$(CURDIR)/$(BIN)/python" build/wheel $(COPIES)

wheel-arm: install
	PATH="$(CURDIR)/$(BIN):$$PATH" sh packaging/wheel_aarch64.sh "$(CURDIR)/$(BIN)/python" build/wheel-aarch64 $(COPIES)

# After a change of pyproject.toml, packaging/lock.in or constraints.txt; needs a package index.
lock: install
	$(BIN)/python -m pip install --quiet -c constraints.txt uv
	$(BIN)/python packaging/lock.py

sbom: install
	$(BIN)/python packaging/sbom.py build/sbom/signbin.cdx.json

docs: install
	$(BIN)/python -m sphinx -q -W -b html docs docs/_build

# Needs clang and wasm-ld, and Fashion-MNIST: make ci-tools.
page: install
	@mkdir -p build
	$(BIN)/python -m live_page build/page

bench: install
	$(BIN)/python -m benchmarks.kernels
	$(BIN)/python -m benchmarks.int8_layers
	$(BIN)/python -m benchmarks.linear_layers
	$(BIN)/python pages.py

pages: install
	$(BIN)/python pages.py

compilers: install
	sh native/tests/compilers.sh $(BIN)/cmake build/compilers gcc-O2 clang-O0

# What tests/arm runs, which are skipped without it.
arm: install
	sh native/tests/aarch64.sh $(BIN)/python $(BIN)/cmake build/aarch64

test-arm: arm
	$(BIN)/python -m pytest -m arm $(PYTEST_FLAGS) tests/arm

# Every kernel alone, with and without the features of this CPU, and on 64-bit ARM in QEMU.
check-kernels: install
	$(BIN)/python -m reliability.kernels

sanitize: install
	$(BIN)/python -m reliability.sanitizers

trust: compilers sanitize
	sh native/tests/compilers.sh $(BIN)/cmake build/compilers \
	  gcc-O0 gcc-O1 gcc-O3 clang-O1 clang-O2 clang-O3
	$(BIN)/python -m reliability.same_bits
	$(BIN)/python -m reliability.soak
	$(BIN)/python -m reliability.faults
	$(BIN)/python -m reliability.kernels
	$(BIN)/python -m reliability.kills
	$(BIN)/python -m reliability.write_order
	$(BIN)/python -m reliability.quick
	$(BIN)/python pages.py

# Two million executions and twenty minutes of every target in C, 200,000 and fifteen in Python, less
# what earlier runs did; may be stopped at any time.
fuzz: install
	@ls "$$(clang -print-runtime-dir)"/libclang_rt.fuzzer-*.a > /dev/null && command -v llvm-cov > /dev/null || \
	  { echo "error: no clang with libFuzzer and llvm-cov: run 'make fuzz-tools' as root" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet -c constraints.txt atheris coverage
	$(BIN)/python -m reliability.fuzz --self-test
	$(BIN)/python -m reliability.fuzz
	$(BIN)/python -m reliability.fuzz --keep
	$(BIN)/python pages.py

ci-tools:
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends build-essential clang python3-dev python3-venv \
	  g++-aarch64-linux-gnu qemu-user cmake gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm \
	  ccache binutils valgrind chromium fonts-dejavu-core lld dataset-fashion-mnist

clean:
	rm -rf build $(DEMO) docs/_build $(VENV)/.installed-*
