# `make help` lists all targets. Everything runs in .venv, which is created from requirements.lock.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --no-deps
export PATH := $(CURDIR)/$(BIN):$(PATH)
.DEFAULT_GOAL := help

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup: .venv/.installed ## create .venv and install the project into it
.venv/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(INSTALL) --require-hashes --requirement requirements.lock
	$(INSTALL) --no-build-isolation --editable . # built by the locked setuptools
	@$(MAKE) --no-print-directory dvc-state
	@touch $@
dvc-state: # DVC keeps pickles in /var/tmp otherwise, open to all users; a project that is shared (chmod g+s) shares them with its group
	@[ -d .dvc/site_cache ] || mkdir -m "$$(if [ -g . ]; then echo 770; else echo 700; fi)" .dvc/site_cache
	@LC_ALL=C; folder="$(CURDIR)/.dvc/site_cache"; case "$$folder" in \
	*[!\ -~]*|*%*) echo "DVC's configuration cannot hold this folder's name, and DVC would empty the file. Set this whenever you run dvc:" >&2; \
	echo "  export DVC_SITE_CACHE_DIR=\"$$folder\"" >&2;; \
	*) $(BIN)/dvc config --local core.site_cache_dir "$$folder";; esac

git: # DVC needs Git, or to be told that there is none; this is checked before anything is installed
	@folder="$(CURDIR)"; while [ "$$folder" != / ] && [ ! -e "$$folder/.git" ]; do folder=$$(dirname "$$folder"); done; \
	[ -e "$$folder/.git" ] || grep -qs '^ *no_scm *= *true' .dvc/config .dvc/config.local || { \
	echo 'This folder is no Git repository. Make it one: git init && git add -A && git commit -m start; or do without Git: make setup && .venv/bin/dvc config --local core.no_scm true' >&2; exit 1; }

repro: git setup ## run all stages that are out of date; another shop: make repro SHOP=online_retail SOURCE=<folder of its files>; a longer experiment: make repro PRESET=thorough
	$(if $(SHOP)$(SOURCE),@recomart shop use $(SHOP) $(if $(SOURCE),--source "$(SOURCE)"))
	$(if $(PRESET),@recomart preset use $(PRESET))
	@recomart shop resolve
	@dvc repro

fetch: git setup ## query a shop's API again (DVC cannot see into it), then run all stages that are out of date
	@dvc repro shop
	@dvc repro --single-item --force 01_ingest
	@dvc repro

reports: setup ## print where the reports are, and open them if there is a desktop
	@recomart reports

lab: setup ## open JupyterLab
	@jupyter lab --notebook-dir notebooks

test: setup .venv/.orchestration ## run all tests except the slow ones, under 10 minutes
	@pytest -m "not slow" -n 3 --dist loadfile --no-loadscope-reorder

ui: setup .venv/.orchestration ## start Dagster: runs, logs, retries and schedules in a browser, http://localhost:3000
	@recomart ui
.venv/.orchestration: .venv/.installed requirements-orchestration.lock
	$(INSTALL) --require-hashes --requirement requirements-orchestration.lock
	@touch $@

test-slow: setup .venv/.spark .venv/.orchestration .venv/.browser ## run the slow tests (installs PySpark, half a gigabyte)
	@pytest -m slow -n 2 --dist loadfile --no-loadscope-reorder
.venv/.browser: .venv/.installed requirements-browser.lock
	$(INSTALL) --require-hashes --requirement requirements-browser.lock
	@touch $@
.venv/.spark: .venv/.installed requirements-spark.lock
	$(INSTALL) --require-hashes --requirement requirements-spark.lock
	@touch $@

kafka: ## run a real Apache Kafka on localhost:9092 until Ctrl-C: a container, or its jars (Java 17, Maven)
	@for engine in docker podman; do $$engine info >/dev/null 2>&1 && $$engine compose version >/dev/null 2>&1 && exec $$engine compose up; done; exec kafka/broker.sh data/kafka 9092

docs: setup ## regenerate the documents: features, commands, the graph of stages, the tables of results
	@python -m tools.docs_features
	@python -m tools.docs_commands
	@python -m tools.docs_exports
	@python tools/made.py

results: setup ## store the numbers of the finished run for the documents: docs/results/<shop>.json
	@python tools/results.py

picture: setup ## render docs/images/report.png from the reports of the finished run (needs Chromium or Chrome)
	@python tools/picture.py

lint: setup ## run ruff, and check that notebooks have no outputs
	@ruff check . && ruff format --check . && nbstripout --verify notebooks/*.ipynb

hooks: setup .venv/.hooks ## install the pre-commit hooks: .pre-commit-config.yaml
	@pre-commit install
.venv/.hooks: .venv/.installed requirements-hooks.lock
	$(INSTALL) --require-hashes --requirement requirements-hooks.lock
	@touch $@

# `make lock` keeps locked versions where it can; UPGRADE=--upgrade takes the newest. The other locks hold what they add to requirements.lock.
UV_COMPILE = uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet $(UPGRADE)
WITHOUT_BASE = --constraints requirements.lock $$(sed -nE 's/^([^= ]+)==.*/--no-emit-package \1/p' requirements.lock)
lock: ## regenerate the lock files, with the hashes of all files (needs uv)
	$(UV_COMPILE) --group dev --output-file requirements.lock
	$(UV_COMPILE) $(WITHOUT_BASE) --extra spark --output-file requirements-spark.lock
	$(UV_COMPILE) $(WITHOUT_BASE) --extra orchestration --output-file requirements-orchestration.lock
	$(UV_COMPILE) $(WITHOUT_BASE) --group browser --output-file requirements-browser.lock
	$(UV_COMPILE) $(WITHOUT_BASE) --group hooks --output-file requirements-hooks.lock

clean: ## delete data and reports that the pipeline wrote; source files and the DVC cache stay
	@rm -rf data/shop.json data/raw data/.scratch data/validated data/quarantine data/history data/prepared data/features data/feature_store data/models data/evaluation data/recommendations
	@rm -rf reports/*.html reports/*.ipynb reports/profiles reports/sidecars

.PHONY: help git setup dvc-state repro fetch reports lab ui test test-slow kafka docs results picture hooks lint lock clean
