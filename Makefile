# The workbook's commands. `make` lists them.

PROFILE ?= auto
DATA    ?= auto
VENV    := .venv
# PY=python uses an environment of your own (conda: environment.yml) instead of the one made here
PY      ?= $(VENV)/bin/python
# where make scheduler listens, and the processes of make workers, -1 for one a core
HOST    ?= 127.0.0.1
WORKERS ?= -1
READY   := $(if $(filter $(VENV)/%,$(PY)),$(VENV)/ready)

# the order of the report: the result page, the numbered sections, the appendix
CHAPTERS := summary $(notdir $(basename $(sort $(wildcard notebooks/[0-9]*.ipynb)))) appendix
BUILD    := reports/build
EXECUTED := $(CHAPTERS:%=$(BUILD)/%.ipynb)
# what the notebooks keep for the comparison with the five reports
OBSERVED := $(patsubst notebooks/%.ipynb,reports/reproduced/%.csv,$(shell grep -l 'reproduction import.* keep' notebooks/*.ipynb))
MODULES  := $(wildcard lib/*.py) lib/report/display.py lib/report/report.mplstyle

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help env choice report lab sweep scheduler workers test bench lint clean distclean

help: ## list these commands
	@sed -n 's/^\([a-z]*\):.*## /\1: /p' $(MAKEFILE_LIST) | awk -F': ' '{ printf "make %-10s %s\n", $$1, $$2 }'
	@echo
	@echo "PROFILE=quick|full  quick: about a minute; full: the course's setting. Default: full where CIFAR-10 is."
	@echo "DATA=auto|cifar10|standin  CIFAR10_DIR names its folder; else it is downloaded; else the stand-in is taken."
	@echo "SCHEDULER=tcp://HOST:8786  report and sweep train on that Dask cluster; see scheduler and workers."

env: $(READY) ## make the Python environment in .venv

# Two notebooks side by side share the cores (lib/cores.py). Quick: there is little to train, so as many as there are
# cores, and each trains what it needs.
report: choice ## run the notebooks and build reports/report.pdf and reports/report.html
	@read data fingerprint profile < $(BUILD)/choice; echo "report: $$profile profile on $$data"; \
	jobs=2; [ $$profile = full ] || { export SCHEDULER=$${SCHEDULER:-inproc}; jobs=$$(getconf _NPROCESSORS_ONLN); }; \
	$(MAKE) --no-print-directory -j$$jobs reports/report.pdf

lab: $(READY) ## open the notebooks in JupyterLab
	$(PY) -m jupyter lab notebooks

sweep: $(READY) ## run a sweep, SWEEP=notebooks/sweeps/lambda.yaml for one; again goes on where it stopped
	@$(PY) -m workbook.runs.sweep $(SWEEP)

scheduler: $(READY) ## start what shares work among machines; HOST=its address for others than this one
	$(PY) -m dask scheduler --host $(HOST) --port 8786

# A worker ends with its scheduler; the loop brings it back. The nanny that watches over a worker imports lib for what
# it sets in the environment: without, a worker trains 2.5 times slower, and may round otherwise than the other machines.
workers: $(READY) ## work for the scheduler SCHEDULER=tcp://HOST:8786, one process a core
	@test '$(SCHEDULER)' || { echo "say whose: make workers SCHEDULER=tcp://HOST:8786" >&2; exit 2; }
	while :; do $(PY) -m dask worker $(SCHEDULER) --nworkers $(WORKERS) --nthreads 1 --preload-nanny workbook \
		--no-dashboard --death-timeout 60; sleep 5; done

test: $(READY) ## run all tests
	$(PY) -m pytest

bench: $(READY) ## measure speed beside PyTorch and scikit-learn (needs the extra bench)
	@$(PY) -m benchmarks

lint: $(READY) ## check code and notebooks
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

clean: ## remove what report made, but not the stored results
	rm -rf $(BUILD) reports/reproduced reports/report.pdf reports/report.html reports/lambda-search.csv reports/reproduced.csv figures/*.svg figures/*.png

distclean: clean ## remove also the stored results and the environment
	rm -rf reports/results reports/sweeps $(VENV)

$(VENV)/ready: pyproject.toml
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "python3 is $$(python3 --version); the workbook needs 3.11 or newer" >&2; exit 2; }
	python3 -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

# What this report is made with: data set, its fingerprint, profile. Rewritten only when it changes, so that a change
# runs the notebooks again.
choice: $(READY)
	@mkdir -p $(BUILD)
	@data=$$($(PY) -m lib.data $(DATA)) || exit 2; \
	profile=$(PROFILE); \
	if [ $$profile = auto ]; then case $$data in cifar10*) profile=full;; *) profile=quick;; esac; fi; \
	echo "$$data $$profile" | cmp -s - $(BUILD)/choice || echo "$$data $$profile" > $(BUILD)/choice

$(BUILD)/%.ipynb: notebooks/%.ipynb $(BUILD)/choice $(MODULES)
	@read data fingerprint profile < $(BUILD)/choice; \
	$(PY) -m workbook.report execute $< --output $@ --parameter data $$data --parameter profile $$profile

# What notebooks write for others is as old as what it says: they leave the file alone when it would not change.
$(OBSERVED): reports/reproduced/%.csv: $(BUILD)/%.ipynb
	@:
reports/lambda-search.csv: $(BUILD)/07-lambda-search.ipynb
	@:
$(BUILD)/10-reported-vs-reproduced.ipynb: $(OBSERVED)
$(BUILD)/summary.ipynb: reports/lambda-search.csv
# both look at the runs of all sections
$(BUILD)/summary.ipynb $(BUILD)/appendix.ipynb: | $(filter-out $(BUILD)/summary.ipynb $(BUILD)/appendix.ipynb,$(EXECUTED))

# those with searches in many rounds begin, so that there is other work beside them
reports/report.pdf: $(BUILD)/07-lambda-search.ipynb $(BUILD)/09-bonus.ipynb $(EXECUTED) \
		reports/report.yml reports/refs.bib $(wildcard lib/report/*.py lib/report/templates/report/*)
	@$(PY) -m workbook.report build $(EXECUTED) --output $(basename $@)
