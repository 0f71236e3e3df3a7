# mmno_fast: `make help` lists what can be made. Every target sets itself up, in .venv inside the checkout.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
PICTURES ?= 300
FUZZ_SECONDS ?= 60
export MMNO_TEST_DATA ?= $(abspath ../shared)

VENV := $(CURDIR)/.venv
PILLOW12 := $(CURDIR)/.venv-pillow12
TORCH := $(CURDIR)/.venv-torch
PARITY := $(CURDIR)/target/parity
export VIRTUAL_ENV := $(VENV)
export PATH := $(VENV)/bin:$(PATH)
export PIP_QUIET := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
unexport CONDA_PREFIX PYTHONHOME PYTHONPATH
UV := $(shell uv --version >/dev/null 2>&1 && echo uv || true)
# Every requirement stands once, in pyproject.toml: a list in a table, or a group (PEP 735). pip knows groups from 25.1 on.
PIP := pip>=25.1
LISTED = $$($(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))$(1))')
VENV_OF = $(if $(UV),uv venv --quiet --allow-existing --python "$$(command -v $(PYTHON))" $(1),{ $(PYTHON) -m venv $(1) || { echo "no venv: on Debian, apt-get install python3-venv"; exit 1; }; } && $(1)/bin/python -m pip install '$(PIP)')
INSTALL_IN = $(if $(UV),VIRTUAL_ENV=$(1) uv pip --quiet,$(1)/bin/python -m pip) install
LOCKED := $(if $(CI),--locked)

# libjpeg-turbo's SIMD code needs nasm on x86. CI does not fall back to scalar code: without nasm it fails.
X86 := $(filter x86_64 amd64 i386 i686,$(shell uname -m))
SIMD = $(if $(or $(CI),$(if $(X86),,yes),$(shell command -v nasm || true)),require-simd)

# What the installed extension is made of.
CORE := Cargo.toml Cargo.lock build.rs pyproject.toml $(shell find src -name '*.rs' -o -name '*.c' -o -name '*.h')

.PHONY: help setup develop demo test test-torch lint lint-rust lint-python clippy api api-write deny format bench bench-loading bench-kernels instructions instructions-base instructions-write valgrind strace figures wheel docs parity parity-check fuzz nightly clean

help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "make %-18s  %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.setup ## the environment in .venv, and nasm where that needs no asking
$(VENV)/.setup: pyproject.toml
	@cargo --version >/dev/null || { echo "no Rust: see https://rustup.rs"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than Python 3.11: make PYTHON=python3.12 ..."; exit 1; }
	@$(if $(X86),command -v nasm >/dev/null || $(call APT,nasm,$(NO_NASM)))
	@echo "setting up $(VENV)"
	@$(call VENV_OF,$(VENV))
	$(call INSTALL_IN,$(VENV)) $(call LISTED,["build-system"]["requires"])
	@touch $@

# $(call APT,program,what to say without it)
define APT
{ \
    if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
        echo "installing $(1)"; \
        { apt-get install -qq -y $(1) || { apt-get update -qq && apt-get install -qq -y $(1); }; } >/dev/null 2>&1 || true; \
    fi; \
    command -v $(1) >/dev/null || echo "no $(1): $(2)"; \
}
endef
NO_NASM := JPEG decodes without SIMD, several times slower. \
Install it (Debian: apt-get install nasm; Fedora: dnf install nasm; macOS: brew install nasm), then: make clean
NO_STRACE := crashes cannot be tried. Install it (Debian: apt-get install strace; Fedora: dnf install strace)
NO_VALGRIND := instructions cannot be counted. Install it (Debian: apt-get install valgrind; Fedora: dnf install valgrind)

develop: $(VENV)/.develop ## the package, built for release and installed in .venv
$(VENV)/.develop: $(VENV)/.setup $(CORE)
	maturin develop --release $(LOCKED) $(if $(UV),--uv) --features python,$(SIMD) --extras reference --group test,dev
	@touch $@

demo: $(VENV)/.develop ## draw a data set, check it, build shards, read them, and say how fast (PICTURES=300)
	mmno-fast demo --pictures $(PICTURES)

test: $(VENV)/.develop $(PILLOW12)/.setup strace ## Rust, Python, and the pixels of Pillow 12; `make test-torch` and `make nightly` have the other tests
	cargo test $(LOCKED) --features "fuzzing $(SIMD)"
	MMNO_PARITY=$(PARITY)/1-pillow13.json pytest
	MMNO_PARITY=$(PARITY)/2-pillow12.json PYTHONPATH=python $(PILLOW12)/bin/python -m pytest tests/test_pixels.py tests/test_formats.py tests/test_tiff.py tests/test_odd_files.py

$(PILLOW12)/.setup: Makefile pyproject.toml
	@$(call VENV_OF,$(PILLOW12))
	$(call INSTALL_IN,$(PILLOW12)) $(call LISTED,["project"]["dependencies"]) --group pillow12
	@touch $@

parity: ## write docs/parity.md from what `make test` and `make test-torch` compared
	python -m tests.parity $(sort $(wildcard $(PARITY)/*.json))

parity-check: ## whether docs/parity.md says what the last `make test` and `make test-torch` compared
	python -m tests.parity --check $(addprefix $(PARITY)/,1-pillow13.json 2-pillow12.json 3-torch.json)

$(TORCH)/.setup: Makefile pyproject.toml
	@echo "setting up $(TORCH) (PyTorch: several GB)"
	@$(call VENV_OF,$(TORCH))
	$(call INSTALL_IN,$(TORCH)) $(call LISTED,["project"]["dependencies"]) $(call LISTED,["project"]["optional-dependencies"]["reference"]) --group torch
	$(call INSTALL_IN,$(TORCH)) --no-deps --group trainers # only what prepares pictures is called
	@touch $@

test-torch: $(VENV)/.develop $(TORCH)/.setup ## the tests against PyTorch, JAX, torchvision and the trainers, in .venv-torch
	MMNO_PARITY=$(PARITY)/3-torch.json PYTHONPATH=python $(TORCH)/bin/python -m pytest -m "torch and not slow and not gpu" tests/torch

lint: lint-rust lint-python ## formatters, linters, types, docs, layering, licences

lint-rust: $(VENV)/.develop ## the Rust half of it
	@cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 || rustup component add rustfmt clippy
	cargo fmt --check
	@$(MAKE) --no-print-directory clippy
	RUSTDOCFLAGS="-D warnings" cargo doc $(LOCKED) --no-deps $(if $(SIMD),--all-features,--features python)
	cargo test $(LOCKED) --features "fuzzing $(SIMD)" --test layering # the features of `make test`, so that nothing is built twice

clippy: ## the linter of Rust: `make lint` and the hook for commits both call this
	cargo clippy $(LOCKED) --all-targets $(if $(SIMD),--all-features,--features python) -- -D warnings

lint-python: $(VENV)/.develop ## the Python half of it
	ruff check
	ruff format --check
	mypy
	lint-imports
	stubtest mmno_fast._core --allowlist tests/stubtest-allowlist.txt --ignore-unused-allowlist
	@$(MAKE) --no-print-directory api
	@if cargo deny --version >/dev/null 2>&1; then $(MAKE) --no-print-directory deny; else echo "cargo-deny is not installed: make deny"; fi

api: $(VENV)/.develop ## whether names, signatures and types that users see are those of tests/public_api.txt
	python -m tests.public_api

api-write: $(VENV)/.develop ## write that list
	python -m tests.public_api --write

deny: ## licences, bans and sources of every crate (the first time, this builds cargo-deny)
	@cargo deny --version >/dev/null 2>&1 || cargo install --locked cargo-deny
	cargo deny --all-features check licenses bans sources

format: $(VENV)/.develop ## rewrite the files as the formatters want them
	cargo fmt
	ruff check --fix-only
	ruff format

bench: $(VENV)/.develop ## every step, and the loader, beside the reference, training loops and the floor, in two tables (PICTURES=2700)
	@mkdir -p .benchmarks
	python -m benches.compare --pictures $(if $(filter command line,$(origin PICTURES)),$(PICTURES),2700) --json .benchmarks/compare.json
	python -m benches.loading --pictures $(if $(filter command line,$(origin PICTURES)),$(PICTURES),2700) --json .benchmarks/loading.json

bench-loading: $(VENV)/.develop ## the loader beside memory's bandwidth, and beside PyTorch's with Pillow where `make test-torch` has set it up (PICTURES=2700)
	@mkdir -p .benchmarks
	python -m benches.loading --pictures $(if $(filter command line,$(origin PICTURES)),$(PICTURES),2700) --json .benchmarks/loading.json

instructions: $(VENV)/.setup valgrind ## the instructions of the hot paths, beside those in benches/instructions/counts.json
	python -m benches.instructions.count

instructions-base: $(VENV)/.setup valgrind ## beside those of the merge base, which is built here
	python -m benches.instructions.count --base

instructions-write: $(VENV)/.setup valgrind ## write that file
	python -m benches.instructions.count --write

valgrind:
	@command -v valgrind >/dev/null || $(call APT,valgrind,$(NO_VALGRIND))

strace: # what tests/crash/ records system calls with, and lets them fail
	@command -v strace >/dev/null || $(if $(filter Linux,$(shell uname -s)),$(call APT,strace,$(NO_STRACE)),true)

figures: $(VENV)/.develop ## docs/loading.svg and docs/memory.svg, of what `make bench-loading` has found and of fifty epochs
	python -m benches.steady --pictures $(if $(filter command line,$(origin PICTURES)),$(PICTURES),2700)
	python -m benches.figures

bench-kernels: $(VENV)/.develop ## the kernels and the steps by themselves, with criterion and pytest-benchmark; and beside their peers
	cargo bench $(LOCKED) --features "fuzzing $(SIMD)"
	python -m benches.beside_pillow
	pytest benches --benchmark-enable --benchmark-only

wheel: $(VENV)/.setup ## the wheel and the source archive, in dist/
	maturin build --release --locked --features python,require-simd --sdist --out dist

docs: $(VENV)/.develop ## write docs/findings.md from the catalogue
	python -m mmno_fast.report.catalogue > docs/findings.md.new
	mv docs/findings.md.new docs/findings.md

# The sanitiser is behind a flag of the stable compiler. C is built for it, too, and counts what it reaches (`fuzz/src/reached.c`), with
# a stand-in for the counter where CMake tries the compiler.
FUZZ_TARGETS := jpeg lines manifest order picture png probe resample rows shard
FUZZ_BUILD := RUSTC_BOOTSTRAP=1 CFLAGS="-fsanitize=address -fsanitize-coverage=trace-pc -fno-omit-frame-pointer" \
    LDFLAGS=-Wl,--defsym=__sanitizer_cov_trace_pc=0
FUZZ_LIMITS := -timeout=20 -rss_limit_mb=3000 -malloc_limit_mb=512
fuzz: $(VENV)/.setup ## the fuzz targets with the address sanitiser, FUZZ_SECONDS (60) each
	@cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz
	@for target in $(FUZZ_TARGETS); do \
	    mkdir -p fuzz/corpus/$$target; \
	    $(FUZZ_BUILD) cargo fuzz run --fuzz-dir fuzz $$target fuzz/corpus/$$target fuzz/seeds/$$target -- \
	        $(FUZZ_LIMITS) -max_total_time=$(FUZZ_SECONDS); \
	done

nightly: $(VENV)/.develop $(TORCH)/.setup strace deny fuzz ## the slow tests, a minute of each fuzz target, and many more cases of the random tests
	PROPTEST_CASES=20000 cargo test --release $(LOCKED) --features "fuzzing $(SIMD)"
	pytest -m "slow and not torch and not gpu" --timeout 3600
	PYTHONPATH=python $(TORCH)/bin/python -m pytest -m "slow and torch" --timeout 3600 tests/torch
	pytest --hypothesis-profile slow --timeout 3600

clean: ## remove whatever make made
	rm -rf .venv .venv-torch .venv-pillow12 target dist demo .benchmarks .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache python/mmno_fast/_core*.so
	find python tests -name __pycache__ -prune -exec rm -rf {} +
