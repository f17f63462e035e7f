# Safelight: what a newcomer and the build server run. `make` alone explains itself.
#
# Build output never goes into the checkout: CARGO_TARGET_DIR (default ~/.cache/safelight/target) holds it.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup demo gallery build web test bench soak fmt lint docs clean-demo

export SAFELIGHT_CACHE ?= $(HOME)/.cache/safelight
export CARGO_TARGET_DIR ?= $(SAFELIGHT_CACHE)/target

help: ## Say what can be made here
	@printf 'Safelight, an end-to-end encrypted photo library\n\n'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@printf '\n  PHOTOS=DIR      make demo: import this folder instead of drawn samples\n'
	@printf '  NO_GALLERY=1    make build: without the gallery, which Node builds\n'
	@printf '  CARGO_TARGET_DIR  where builds go (now %s)\n' "$(CARGO_TARGET_DIR)"

demo: ## Build, and try everything on sample pictures or PHOTOS=DIR; asks nothing
	@tools/setup.sh demo
	@$(MAKE) --no-print-directory build
	@tools/demo.sh "$(PHOTOS)"

build: ## Build the release binary, the gallery in it, at $CARGO_TARGET_DIR/release/safelight
	@tools/setup.sh build
	@if [ -n "$(NO_GALLERY)" ]; then echo 'Leaving the gallery out'; else tools/web.sh build; fi
	cargo build --release --locked --bin safelight --bin azphotosync
	@printf 'Built %s\n' "$(CARGO_TARGET_DIR)/release/safelight"

gallery: ## Open the gallery of what make demo imported; Ctrl-C ends it
	@tools/demo.sh --serve

web: ## Build the gallery's pages into web/dist, which the next build takes in
	@tools/setup.sh build
	@tools/web.sh build

test: ## Everything that must hold before a merge (format, lints, licences, tests, vectors, faults)
	@tools/setup.sh test
	@tools/test.sh

bench: ## Measure against peers; what it prints is kept in bench/results/
	@tools/setup.sh bench
	@$(MAKE) --no-print-directory build
	@"$(SAFELIGHT_CACHE)/venv/bin/python" bench/run.py $(BENCH)

soak: ## Long runs: 10,000 mutants, hundreds of kills, long fuzzing, then seeds until stopped (Ctrl-C)
	@tools/setup.sh test
	@tools/soak.sh

fmt: ## Format the code
	cargo fmt --all

lint: ## Format check, clippy and licences
	@tools/setup.sh test
	@tools/test.sh lint

docs: ## Build the API documentation
	cargo doc --workspace --no-deps --document-private-items

clean-demo: ## Remove the demo library
	rm -rf "$${SAFELIGHT_DEMO:-$(SAFELIGHT_CACHE)/demo}"
