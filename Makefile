# Two commands matter: `make run` and `make test`. Everything else is here to look, to stop and to keep tidy.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help setup run test bench bench-quick up status logs messages down lint format lock clean
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
MWAACTL := $(BIN)/mwaactl
export UV_PYTHON_DOWNLOADS := never
# Container images like to set it; every process would then compile all of Airflow anew.
unexport PYTHONDONTWRITEBYTECODE

help: ## this list
	@echo "dbt on Amazon MWAA with Cosmos. Start here: make run"
	@echo
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-16s %s\n", $$1, $$2 }'
	@echo
	@echo "All of them can be interrupted and repeated. More: .venv/bin/mwaactl --help"

setup: ## put uv and all packages into this directory (.local, .venv); the others do it by themselves
	@sh mwaactl/setup.sh

run: setup ## boot Airflow on this machine, load one day, transform it, show what came out
	@$(MWAACTL) local run $(ARGS)

up: setup ## start the local environment if need be, release the project to it; prints the address of its UI
	@$(MWAACTL) local up

status: setup ## is it up, is it healthy, which DAGs are there
	@$(MWAACTL) local status

logs: setup ## logs of all components; one and on: make logs ARGS="scheduler -f"
	@$(MWAACTL) local logs $(ARGS)

messages: setup ## what Slack and the mail server received
	@$(MWAACTL) local messages

down: setup ## stop the local environment; nothing of it is left running
	@$(MWAACTL) local down $(ARGS)

test: setup ## all tests; some: make test ARGS="tests/mwaactl -k bucket"; without those that take long: make test LONG=no
	@$(BIN)/python -m $(if $(ARGS),pytest $(ARGS),tests $(if $(filter no,$(LONG)),--no-long))

bench: setup ## measure what a dbt task costs, 50 minutes; a part: make bench ARGS="--sizes 10,100 --arms noop,ours"
	@$(BIN)/python -m bench --document $(ARGS)

bench-quick: setup ## the same in a short form, under 5 minutes
	@$(BIN)/python -m bench --quick $(ARGS)

lint: setup ## formatting, types, shell scripts, workflows, templates, lock file, dbt projects, SQL, DAGs
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@for script in startup.sh mwaactl/setup.sh mwaactl/local/execute-startup-script .ci/run; do bash -n $$script || exit 1; done
	@$(BIN)/shellcheck startup.sh mwaactl/setup.sh mwaactl/local/execute-startup-script .ci/run
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/zizmor --offline --quiet .github
	@$(BIN)/cfn-lint --regions eu-central-1 --template infra/environment.yaml infra/ci-role.yaml infra/history.yaml infra/monitoring.yaml infra/network.yaml
	@.local/uv/bin/uv lock --check --quiet || { echo "uv.lock does not fit pyproject.toml: make lock"; exit 1; }
	@$(MWAACTL) lint
	@echo "lint: all good"

format: setup ## correct what `make lint` says, where a program can
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

lock: setup ## bring uv.lock and requirements-dbt.txt up to date with pyproject.toml and requirements-dbt.in
	@.local/uv/bin/uv lock
	@{ echo '# Locked from requirements-dbt.in by `make lock`.'; \
	   cd / && UV_NO_CONFIG=1 "$(CURDIR)/.local/uv/bin/uv" pip compile --quiet --no-header --no-annotate --universal \
	   --python-version 3.11 "$(CURDIR)/requirements-dbt.in"; } > requirements-dbt.txt.new
	@mv requirements-dbt.txt.new requirements-dbt.txt

clean: down ## remove what was made at run time: environment, database, warehouse (the packages stay)
	@rm -rf .local/environment .local/test-environment .local/raw dbt/*/target dbt/*/logs
