# Every target sets up what it needs. PYTHON names the interpreter to start from.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := install --quiet --disable-pip-version-check
INSTALL := $(BIN)/python scripts/install.py
WORKERS ?= 4
export PATH := $(CURDIR)/$(BIN):$(PATH)
export NO_MKDOCS_2_WARNING := 1

# What predictions pass through, compiled (src/sagesmith/compiled), while an environment for jobs is being built.
PREPARE := $(BIN)/python -m sagesmith.compiled & $(BIN)/python -m sagesmith.images prepare; ended=$$?; wait; exit $$ended

.PHONY: help setup demo compiled test conformance check bench docs lock clean

help:
	@echo "make setup   install Sagesmith into $(VENV)"
	@echo "make demo    train, deploy and predict with the unmodified SageMaker SDK"
	@echo "make test    all tests"
	@echo "make conformance   each resource kind against the model of the API, and a table of what was covered"
	@echo "make check   format, lint, types, import contracts, docs"
	@echo "make bench   the figures of docs/performance.md"
	@echo "make docs    the documentation as a web site, in site/"
	@echo "make lock    resolve requirements/*.txt anew"

$(VENV)/.bootstrap: requirements/runtime.txt requirements/build.txt pyproject.toml
	@scripts/preflight.sh "$(PYTHON)"
	@echo "== setting up $(VENV) (about 10 s)"
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	@$(BIN)/python -m pip $(PIP) --require-hashes -r requirements/build.txt
	@$(INSTALL) $(BIN)/python requirements/runtime.txt
	@$(BIN)/python -m pip $(PIP) --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q src
	@touch $@

$(VENV)/.dev: $(VENV)/.bootstrap requirements/dev.txt
	@echo "== installing the tools for development (about 10 s)"
	@$(INSTALL) $(BIN)/python requirements/dev.txt
	@touch $@

$(VENV)/.docs: $(VENV)/.bootstrap requirements/docs.txt
	@echo "== installing the documentation's tools"
	@$(INSTALL) $(BIN)/python requirements/docs.txt
	@touch $@

# Clients, each in an environment of its own: v2 and v3 of the SDK own the same package name.
.envs/%/.ready: requirements/%.txt $(VENV)/.bootstrap
	@echo "== installing the client environment $* (up to a minute)"
	@test -x .envs/$*/bin/python || "$(PYTHON)" -m venv --without-pip .envs/$*
	@$(INSTALL) .envs/$*/bin/python requirements/$*.txt
	@touch $@

.envs/javascript/.ready: examples/javascript/package-lock.json
	@echo "== installing the JavaScript client"
	@mkdir -p .envs/javascript && cp examples/javascript/package.json examples/javascript/package-lock.json .envs/javascript/
	@cd .envs/javascript && npm ci --silent --no-audit --no-fund
	@touch $@

setup: $(VENV)/.bootstrap
	@$(PREPARE)
	@$(BIN)/sagesmith doctor

demo: $(VENV)/.bootstrap .envs/sdk-v2/.ready
	@$(PREPARE)
	@echo "== examples/quickstart.py, as it would run against AWS, under 'sagesmith run'"
	@cd examples && ../$(BIN)/sagesmith run --data ../.demo -- ../.envs/sdk-v2/bin/python quickstart.py

compiled: $(VENV)/.bootstrap
	@$(BIN)/python -m sagesmith.compiled

clients: .envs/sdk-v2/.ready .envs/sdk-v3/.ready .envs/aws-cli/.ready
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory .envs/javascript/.ready; else echo "== npm is not here: the JavaScript test will be skipped"; fi

test: $(VENV)/.dev compiled clients
ifdef PYTEST
	@$(BIN)/python -m pytest $(PYTEST)
else
	@echo "== tests, $(WORKERS) files at a time: most of their time is waiting"
	@$(BIN)/python scripts/run-tests.py -n $(WORKERS) --dist loadfile --no-loadscope-reorder --ignore tests/conformance
	@echo "== tests of what is compiled, as it was compiled"
	@$(BIN)/python -m pytest -q -n $(WORKERS) -p tests.compiled tests/unit/gateway tests/unit/http tests/unit/wire
	@echo "== tests of each resource kind against the model of the API"
	@$(BIN)/python -m pytest -q tests/conformance
endif

conformance: $(VENV)/.dev
	@$(BIN)/python -m pytest -q tests/conformance $(PYTEST)

check: $(VENV)/.dev $(VENV)/.docs
	@echo "== ruff format";  $(BIN)/ruff format --check .
	@echo "== ruff check";   $(BIN)/ruff check .
	@echo "== mypy";         $(BIN)/mypy
	@echo "== contracts";    $(BIN)/lint-imports
	@echo "== licences";     $(BIN)/python scripts/check-licences.py --check
	@echo "== API coverage"; $(BIN)/python scripts/api-coverage.py --check
	@echo "== settings";     $(BIN)/python scripts/configuration.py --check
	@echo "== algorithms";   $(BIN)/python scripts/algorithm-docs.py --check
	@echo "== docs";         $(BIN)/mkdocs build --strict --quiet

PEERS := bentoml fastapi forecasting litserve mlflow mlserver ray-serve

bench: $(VENV)/.dev compiled .envs/moto/.ready .envs/sdk-v2/.ready .envs/ray/.ready $(PEERS:%=.envs/peers/%/.ready)
	@$(BIN)/python -m benchmarks $(BENCH)

docs: $(VENV)/.docs
	@$(BIN)/mkdocs build --strict

lock: $(VENV)/.dev
	@scripts/lock.sh

clean:
	rm -rf $(VENV) .envs .demo site
