# Needs python3 (3.11 or newer), git and make; everything else is installed into the checkout.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Where it is set, every process that a test starts compiles all that it imports: most of the whole run's time.
unexport PYTHONDONTWRITEBYTECODE
PYTHON ?= python3
BIN := .venv/bin
PYTEST_FLAGS ?=
#: Twice as many as the cores of a small machine: half of what tests do is to wait for a server.
WORKERS ?= 4
#: Seconds that a test may take while its lines are counted, which makes Python several times slower.
COV_TIMEOUT ?= 240
PYTEST = $(BIN)/pytest -n $(WORKERS) --dist loadgroup
WEB := services/dashboard/web
NPM = PATH="$(CURDIR)/.tools/node/bin:$$PATH" npm --prefix $(WEB) run --silent
.PHONY: help setup setup-dev grpcurl promtool collector proto proto-check proto-release fmt fmt-check lint typecheck imports web-check \
        test test-slow test-page test-browser test-all test-unit test-integration test-e2e cov check run demo bench chaos fuzz images k8s-render \
        k8s-validate up down status logs test-k8s docs docs-check clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "%-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install what running needs
	@$(PYTHON) -m scripts.bootstrap tools web

setup-dev: ## Install what developing needs too
	@$(PYTHON) -m scripts.bootstrap tools web schemas grpcurl

grpcurl: ## Build grpcurl into .tools/bin, for a machine that has none
	@$(PYTHON) -m scripts.bootstrap grpcurl
	@echo 'export PATH="$(CURDIR)/.tools/bin:$$PATH"'

demo: setup ## Five real Django issues to draft pull requests, on this machine; EXIT=1 ends by itself
	@$(BIN)/miyabi demo $(if $(EXIT),--exit)

run: setup ## The whole system on this machine, until Ctrl-C
	@$(BIN)/miyabi up

test: setup-dev ## All tests but those marked slow
	$(PYTEST) -m "not slow" $(PYTEST_FLAGS)
	@echo 'Tests marked slow were left out: `make test-slow` runs them, `make test-all` and `make check` everything.'

promtool: ## Build promtool into .tools/bin: two minutes on two cores, once
	@$(PYTHON) -m scripts.bootstrap promtool

collector: ## Build an OpenTelemetry collector into .tools/bin, once
	@$(PYTHON) -m scripts.bootstrap collector

test-slow: setup-dev promtool collector ## Tests marked slow: what takes long whatever one does, each with its reason
	$(PYTEST) -m "slow and not browser" $(PYTEST_FLAGS)

test-page: setup-dev ## The first of the browser tests; where no Chromium is installed it says that they were not run
	@if command -v chromium chromium-browser google-chrome > /dev/null; then \
		$(BIN)/pytest tests/browser/test_first.py -m browser $(PYTEST_FLAGS); \
	else echo 'Browser tests: not run, no Chromium is installed (Debian: apt-get install chromium).'; fi

test-browser: setup-dev ## The page in a real Chromium, which has to be installed; not part of check; IMAGES=1 writes docs/images
	$(if $(IMAGES),MIYABI_WRITE_IMAGES=1 )$(BIN)/pytest tests/browser -m browser $(PYTEST_FLAGS)

test-all: test test-slow ## All tests

test-unit: setup-dev ## Tests that stay inside one folder
	$(PYTEST) libs services cli $(PYTEST_FLAGS)

test-integration: setup-dev ## Tests that cross a service boundary, without the end-to-end ones
	$(PYTEST) tests -m "not e2e and not browser" $(PYTEST_FLAGS)

test-e2e: setup-dev ## Tests with real processes
	$(BIN)/pytest tests -m e2e $(PYTEST_FLAGS)

chaos: setup-dev ## Kill a random process every second for 3 minutes: make chaos [SEED=n] [SECONDS=180] [ISSUES=300]
	@GRPC_VERBOSITY=ERROR $(BIN)/python tests/chaos/chaos.py $(if $(SEED),--seed $(SEED)) \
		--seconds $(or $(SECONDS),180) $(if $(ISSUES),--issues $(ISSUES))

fuzz: setup-dev ## Search every parser for crashes, hangs, slow growth: make fuzz [SECONDS=1800] [TARGET=name]
	@$(BIN)/python tests/fuzz/fuzz.py --seconds $(or $(SECONDS),1800) $(if $(TARGET),--target $(TARGET))

cov: setup-dev ## All tests, with coverage over all of them
	$(MAKE) --no-print-directory test PYTEST_FLAGS="--cov --cov-report= --timeout $(COV_TIMEOUT) $(PYTEST_FLAGS)"
	$(MAKE) --no-print-directory test-slow PYTEST_FLAGS="--cov --cov-append --cov-report=term:skip-covered --timeout $(COV_TIMEOUT) $(PYTEST_FLAGS)"

fmt: setup-dev ## Format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix-only .

fmt-check: setup-dev ## Say what is not formatted
	$(BIN)/ruff format --check .

lint: setup-dev ## Lint
	$(BIN)/ruff check .

typecheck: setup-dev ## Types
	$(BIN)/mypy libs/miyabi-core/src libs/miyabi-sim/src services/*/src cli/src scripts benchmarks

imports: setup-dev ## Import contracts
	$(BIN)/lint-imports

proto: setup-dev ## Generate the stubs
	$(BIN)/python scripts/proto.py generate

proto-check: setup-dev ## Style, compatibility and drift of the interfaces
	$(BIN)/python scripts/proto.py check

proto-release: setup-dev ## Make today's interfaces what `buf breaking` compares with
	$(BIN)/python scripts/proto.py release

web-check: setup-dev ## Types and tests of the page; setup built it
	$(NPM) check
	$(NPM) test

check: fmt-check lint typecheck imports proto-check k8s-validate web-check docs-check cov ## What CI runs

bench: setup ## Measure: make bench ROW=1 [REPEATS=3] [PEERS=folder] [PROFILE=1] [ISSUES=file], or all rows
	@$(BIN)/python -m benchmarks $(if $(ROW),--row $(ROW)) $(if $(REPEATS),--repeats $(REPEATS)) \
		$(if $(PEERS),--peers $(PEERS)) $(if $(PROFILE),--profile) \
		$(if $(ISSUES),--issues $(ISSUES))

images: setup ## Build the images; VALKEY=1: a stand-in for Valkey's too; TOOLCHAINS=node,go,rust,cc,java: for agents
	@$(BIN)/python -m scripts.k8s images

k8s-render: setup ## Print the manifests of OVERLAY (dev or prod), with MIYABI_K8S_COMPONENTS
	@$(BIN)/python -m scripts.k8s render

k8s-validate: setup-dev ## Render every combination and check it strictly
	@$(BIN)/python -m scripts.k8s validate

up: setup ## The whole system on the cluster that KUBECONFIG points to; again after a change: an upgrade; OVERLAY=prod
	@$(BIN)/python -m scripts.k8s up

down: setup ## Remove it; volumes stay unless PURGE=1
	@$(BIN)/python -m scripts.k8s down

status: setup ## What runs on the cluster
	@$(BIN)/python -m scripts.k8s status

logs: setup ## Follow the logs of every pod, or of SERVICE
	@$(BIN)/python -m scripts.k8s logs

test-k8s: setup-dev ## Prove it on a cluster: STEP=name for one step; not part of check
	@$(BIN)/python -m tests.k8s $(STEP)

docs: setup-dev ## Build the documentation into build/docs
	@GRPC_VERBOSITY=ERROR $(BIN)/python -m scripts.docs build

docs-check: setup-dev ## Build it and look at every link and anchor; those to other hosts are listed
	@GRPC_VERBOSITY=ERROR $(BIN)/python -m scripts.docs check

clean: ## Remove what was installed and built
	rm -rf .venv .tools build $(WEB)/node_modules services/dashboard/src/miyabi_dashboard/static
