# Two commands matter: `make up` starts the studio, `make test` checks the tree. `make help` lists the rest.
.DEFAULT_GOAL := help
.PHONY: help up test quick lint docs bench lock clean

ARGS ?=

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo '  ARGS="…" is passed on: make up ARGS="--port 9443 --no-model"'

up: ## set everything up and start the studio
	@scripts/setup $(filter --no-model,$(ARGS))
	@exec .venv/bin/studiolo up $(ARGS)

test: ## set everything up and run what the checks run: lint, types, documents, tests
	@.ci/run

quick: ## the quick lane of the tests alone
	@scripts/setup --dev
	@scripts/test quick $(ARGS)

lint: ## style, types, import contracts, dependencies, sizes
	@scripts/setup --dev
	@scripts/lint $(ARGS)

docs: ## make the generated pages again
	@scripts/setup --dev
	@scripts/docs

bench: ## measure, beside the budgets
	@scripts/setup --dev
	@scripts/bench $(ARGS)

lock: ## make locks/ again after a change in pyproject.toml
	@scripts/lock $(ARGS)

clean: ## remove what set-up and tests made; a studio's own data is not touched
	rm -rf .venv .tools .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage .coverage.* dist build
	find studiolo tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
