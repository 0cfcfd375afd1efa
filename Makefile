# Each target does its own set-up (.ci/setup): on a fresh Debian or Ubuntu machine with the Rust toolchain it runs as is.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: demo test bench bench-deploy bench-router bench-check soak fuzz docs lint setup help artifacts release
# The recipes are steps of one story; cargo itself uses every core.
.NOTPARALLEL:

TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
ARTIFACTS := $(TARGET)/artifacts

demo: ## the whole story under load: deploys, refusals, roll backs; cleans up after itself
	@.ci/setup cc docker
	@$(MAKE) --no-print-directory artifacts
	cargo build --locked --release -p quickserve-cli -p quickserve-demo
	@$(TARGET)/release/quickserve-demo $(TARGET)/release/quickserve $(ARTIFACTS)/storefront $(TARGET)/demo

test: ## every test, with Docker
	@.ci/setup cc nextest docker aws
	@$(MAKE) --no-print-directory artifacts
	cargo build --locked --workspace --all-features --bins --tests --examples
	cargo nextest run --locked --workspace --all-features $(if $(CI),--profile ci)
	cargo test --locked --doc --workspace --all-features

bench: bench-deploy bench-router bench-check ## deployments beside `docker run`, the router beside nginx, `check` beside detect-secrets

bench-deploy:
	@.ci/setup cc docker compose
	@$(MAKE) --no-print-directory artifacts release
	cargo bench --locked -p quickserve-tests --bench deploy -- $(TARGET)/release/quickserve $(ARTIFACTS)/storefront

# Of which parts, and how many rounds: make bench-router PART="cost switch" ROUNDS=3
ROUNDS ?= 7
PART ?=
bench-router:
	@.ci/setup cc peers
	@$(MAKE) --no-print-directory release
	cargo bench --locked -p quickserve-tests --bench router -- $(TARGET)/release/quickserve $(ROUNDS) $(PART)

# Over all of the tree, which takes detect-secrets very long: make bench-check CHECK="1 whole"
CHECK ?=
bench-check:
	@.ci/setup cc detect-secrets
	@$(MAKE) --no-print-directory release
	cargo bench --locked -p quickserve-tests --bench check -- $(TARGET)/release/quickserve \
	  $(abspath examples/storefront) $(abspath target/detect-secrets/bin/detect-secrets) $(CHECK)

# How many deployments, and the minutes after which none begins: make soak GOOD=5 FAILING=3 MINUTES=2
GOOD ?= 50
FAILING ?= 30
MINUTES ?= 30
soak: ## good and failing deployments under load for a long time (GOOD=50 FAILING=30 MINUTES=30)
	@.ci/setup cc docker
	@$(MAKE) --no-print-directory artifacts release
	cargo bench --locked -p quickserve-tests --bench soak -- $(GOOD) $(FAILING) $(MINUTES)

# How long each target runs, and which: make fuzz SECONDS=600 TARGETS="workflow script"
SECONDS ?= 30
TARGETS ?=
fuzz: ## each parser fed with what nobody would write (SECONDS=30 a target; TARGETS="workflow script")
	@.ci/setup cxx fuzz
	fuzz/run $(SECONDS) $(TARGETS)

docs: ## the crates' documentation, and the book where mdbook is installed
	@.ci/setup cc
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --all-features
	@if command -v mdbook >/dev/null; then \
	  mdbook build docs --dest-dir "$(TARGET)/book" && echo "book: $(TARGET)/book/index.html"; \
	else \
	  echo "the book was not built: it needs mdbook (cargo install --locked mdbook)"; \
	fi
	@echo "crates: $(TARGET)/doc/quickserve_core/index.html"

lint: ## formatting, lints, documentation, licences
	.ci/run lint

setup: ## only the set-up, for all targets
	.ci/setup lint cc docker nextest deny aws

help: ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 8

# What tests, the demo and benchmarks use beside the code under test. Whatever else they come to need is made here,
# and found in target/artifacts.
artifacts:
	@# A folder of its own, so that its flags do not rebuild everything else.
	RUSTFLAGS='-C target-feature=+crt-static' cargo build --locked --release -p storefront \
	  --target $(HOST) --target-dir $(TARGET)/storefront
	@# Unchanged means untouched: whoever builds an image from it keeps the cached layer.
	@install -d $(ARTIFACTS)
	@install -C $(TARGET)/storefront/$(HOST)/release/storefront $(ARTIFACTS)/storefront

release:
	cargo build --locked --release -p quickserve-cli
