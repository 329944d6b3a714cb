# Everything a developer types. `make` alone lists it.

TARGET := $(or $(CARGO_TARGET_DIR),target)

.DEFAULT_GOAL := help
.PHONY: help run test bench deps fmt lint unit tidy doc acceptance deny

help: ## List what make can do
	@echo "Ferrite: AWS IoT that you run yourself."
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  ARGS=\"…\"          is passed on: make run ARGS=\"--dev\", make acceptance ARGS=\"-k paging\""

run: ## Build and start the server, with its data in ./data
	cargo build --release --package ferrite
	exec "$(TARGET)/release/ferrite" serve --data-dir ./data $(ARGS)

test: ## Check everything that CI checks, installing what it needs
	@.ci/test.sh

bench: ## Measure what has a bar: code, store, and the API from outside
	@.ci/bench.sh $(ARGS)

deps: ## Install what the tests need (Debian packages as root, a Python environment)
	@.ci/deps.sh

fmt: ## Format the code
	cargo fmt --all

lint: ## Check formatting and lints
	@.ci/test.sh fmt clippy

unit: ## Run the Rust tests, with PostgreSQL where it is installed
	@.ci/test.sh unit

tidy: ## Check layers, sizes, headers, links
	@cargo xtask tidy

doc: ## Build the documentation of the code
	@.ci/test.sh doc

acceptance: ## Run boto3 and both AWS CLIs against the server
	@.ci/test.sh acceptance

deny: ## Check licences, sources and advisories of dependencies
	@if command -v cargo-deny >/dev/null; then cargo deny check; \
	else echo "cargo-deny is not installed; get it with: cargo install cargo-deny --locked"; fi
