# Every target that people and CI use; `make help` explains them.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
BENCH_INSTALLED := $(VENV)/.installed-bench
RECIPE ?= pipelines/recipes/demo.yaml
SET ?=
ONLY ?=
RUN ?=
STORE ?=
IMAGES ?= cpu cuda

.DEFAULT_GOAL := help
.PHONY: help install demo run tensorboard images kind-up kind-run kind-down browser test test-slow bench zoo lint format clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

install: $(INSTALLED) ## make or update the environment in .venv

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v < (3, 14) else f"medseg needs Python 3.11 to 3.13, $(PYTHON) is {v.major}.{v.minor}; give another one with make PYTHON=...")'
	@echo "Installing into $(VENV) (torch alone is several GB: this takes some minutes)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[kubeflow,nnunet,dev]'
	@touch $@

demo: $(INSTALLED) ## sample scans -> trained models -> ranked report, on this machine
	$(BIN)/medseg sample .medseg/sample
	$(BIN)/python -m pipelines run pipelines/recipes/demo.yaml

run: $(INSTALLED) ## run a recipe: make run RECIPE=pipelines/recipes/hippocampus.yaml SET="dataset.source=DIR train.epochs=20"
	$(BIN)/python -m pipelines run $(RECIPE) $(foreach pair,$(SET),--set '$(pair)')

tensorboard: $(INSTALLED) ## runs in a browser: make tensorboard, or make tensorboard RUN="ID ID" STORE=s3://bucket
	$(BIN)/medseg tensorboard $(RUN) $(if $(STORE),--store '$(STORE)')

images: ## container images for a cluster or --runner docker: make images IMAGES=cpu BASE_IMAGE=... (images/README.md)
	@images/build.sh $(IMAGES)

kind-up: ## Kubernetes in Docker with Kubeflow Pipelines and medseg (after make images)
	@manifests/kind/kind.sh up

kind-run: $(INSTALLED) ## a small benchmark in that cluster, from sample scans to the fetched report
	@manifests/kind/kind.sh run

kind-down: ## remove that cluster
	@manifests/kind/kind.sh down

browser: ## install Chromium, which the slow tests look at the report with (Debian or Ubuntu, as root)
	@command -v chromium >/dev/null || (apt-get update -q && apt-get install -q -y --no-install-recommends chromium)

test: $(INSTALLED) ## all tests but the slow ones, in under 10 minutes on 2 cores
	$(BIN)/python -m pytest -m 'not slow' -n 2

test-slow: $(INSTALLED) ## the tests that take minutes: a whole demo run, learning on real scans
	$(BIN)/python -m pytest -m slow

$(BENCH_INSTALLED): $(INSTALLED)
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]' && touch $@ \
	  || echo "MedPy cannot be installed here: the benchmark goes on without it"

bench: $(BENCH_INSTALLED) ## ratios to other tools, and an archive of 10,000 series: make bench ONLY="resampling nifti_files"
	$(BIN)/python -m tests.benchmarks $(ONLY)

zoo: $(INSTALLED) ## cost and learning of every model, into README's table: make zoo ONLY="unet dpt"
	$(BIN)/python -m tests.benchmarks.zoo --readme README.md $(ONLY)

lint: $(INSTALLED) ## style, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED) ## put code into the common format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove the environment, the local store and caches
	rm -rf $(VENV) .medseg .mypy_cache .ruff_cache .pytest_cache *.egg-info
