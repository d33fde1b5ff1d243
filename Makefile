# The workbook's commands. `make` lists them.

PROFILE ?= auto
DATA    ?= auto
VENV    := .venv
# PY=python uses an environment of your own (conda: environment.yml) instead of the one made here
PY      ?= $(VENV)/bin/python
# where make scheduler listens, and the processes of make workers, -1 for one a core
HOST    ?= 127.0.0.1
WORKERS ?= -1
ifeq ($(filter $(PROFILE),auto dry quick full),)
$(error PROFILE=$(PROFILE): say auto, dry, quick or full)
endif
ifeq ($(filter $(DATA),auto cifar10 standin),)
$(error DATA=$(DATA): say auto, cifar10 or standin)
endif
READY   := $(if $(filter $(VENV)/%,$(PY)),$(VENV)/ready)
BUILD   := reports/build

# The course report: its front page, the numbered sections in order, the appendix.
SECTIONS := $(patsubst notebooks/%.ipynb,$(BUILD)/%.ipynb,$(sort $(wildcard notebooks/[0-9]*.ipynb)))
COURSE   := $(BUILD)/summary.ipynb $(SECTIONS) $(BUILD)/appendix.ipynb
# The reproduction: the comparison, one section for each file of claims, the methods.
CLAIMED  := $(patsubst reports/claims/%.yml,$(BUILD)/reproduction/%.ipynb,$(sort $(wildcard reports/claims/*.yml)))
REPEATED := $(BUILD)/reproduction/front.ipynb $(CLAIMED) $(BUILD)/reproduction/methods.ipynb
# Those that train longest begin, so that no core is idle at the end.
LONGEST  := $(foreach number,09 07 06 03,$(filter $(BUILD)/$(number)-%,$(SECTIONS)))

# What notebooks compute and show with. A change runs them again; results are trained again only if lib/nn changed.
LIBRARY   := $(wildcard lib/*.py lib/nn/*.py) workbook/report/report.mplstyle \
	$(addprefix workbook/report/,display.py plots.py tables.py) \
	$(addprefix workbook/runs/,experiment.py fields.py oddities.py profiles.py engine.py search.py store.py)
JUDGEMENT := $(wildcard workbook/claims/*.py workbook/claims/*.yml)
EXPORT    := $(addprefix workbook/report/,build.py exporter.py) $(wildcard workbook/report/templates/report/*) reports/refs.bib
# ONLY=05 makes a document of one section, FRESH=05 trains the networks of one anew.
SECTION   = $(or $(filter $(BUILD)/$(1)%,$(COURSE)),\
	$(error no section begins with $(1); there are $(notdir $(basename $(COURSE)))))
CHOSEN   := $(if $(ONLY),$(call SECTION,$(ONLY)))
ANEW     := $(if $(FRESH),$(call SECTION,$(FRESH)))
ALONE    := $(COURSE:$(BUILD)/%.ipynb=reports/%.pdf)

# What git keeps of a notebook (.gitattributes): no outputs, and not what JupyterLab says about the kernel.
STRIP := if [ -x $(VENV)/bin/nbstripout ]; then \
	sed "s/\"Python 3 (ipykernel)\"/\"Python 3\"/" | $(VENV)/bin/nbstripout --keep-id --extra-keys "metadata.widgets \
	$(addprefix metadata.language_info.,codemirror_mode file_extension mimetype nbconvert_exporter pygments_lexer version)"; \
	else cat; fi

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help env report reproduction all check verify lab new sweep scheduler workers test test-browser test-hard bench lint clean distclean

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## /\1: /p' $(MAKEFILE_LIST) | awk -F': ' '{ printf "make %-13s %s\n", $$1, $$2 }'
	@echo
	@echo "PROFILE=dry|quick|full  dry: that everything runs; quick: networks that learn, in minutes; full: the course's setting."
	@echo "                    Default: full where CIFAR-10 is. Claims are checked in full or, to see that it works, dry."
	@echo "DATA=auto|cifar10|standin  CIFAR10_DIR names its folder; else it is downloaded; else the stand-in is taken."
	@echo "ONLY=05 makes one section of the report, FRESH=05 trains its networks anew, KEEP_GOING=1 goes on after a failure."
	@echo "SCHEDULER=tcp://HOST:8786  reports, checks and sweeps train on that Dask cluster; see scheduler and workers."

env: $(READY) ## make the Python environment in .venv

# Runs make $(1) with several notebooks side by side, which share the cores, unless all is up to date. With KEEP_GOING=1
# a failed notebook stops no other, and documents $(2) are made of those that are well.
comma := ,
BUILD_ALL = @echo "$@: looks what there is to do" >&2; \
	$(PY) -m workbook.report make $@ $(1) --profile $(PROFILE) --data $(DATA) $(if $(KEEP_GOING),--documents $(2))
OF_COURSE   = reports/report=$(subst $() ,$(comma),$(COURSE))
OF_REPEATED = reports/reproduction=$(subst $() ,$(comma),$(REPEATED))

report: $(READY) ## run the course's notebooks and build reports/report.pdf and reports/report.html
	$(call BUILD_ALL,$(if $(ONLY),$(CHOSEN:$(BUILD)/%.ipynb=reports/%.pdf),$(LONGEST) reports/report.pdf),$(OF_COURSE))

reproduction: $(READY) ## run the five reports again and build reports/reproduction.pdf and reports/reproduction.html
	$(call BUILD_ALL,reports/reproduction.pdf,$(OF_REPEATED))

all: $(READY) ## both
	$(call BUILD_ALL,$(BUILD)/reproduction/trained $(LONGEST) reports/report.pdf reports/reproduction.pdf,\
		$(OF_COURSE) $(OF_REPEATED))

check: $(READY) ## run the networks of a report of yours, CLAIMS=my-report.yml, and compare its numbers
	@test '$(CLAIMS)' || { echo "say which: make check CLAIMS=my-report.yml" >&2; exit 2; }
	@set -- $$($(PY) -m workbook.report choice $(PROFILE) $(DATA)); test "$$3" || exit 2; profile=$$3; $(JUDGED) \
	$(PY) -m workbook.claims check '$(CLAIMS)' --profile $$profile --data $$1

verify: $(READY) ## train a part of the stored results again, SHARE=5% (1: all) drawn with SEED=, and compare them
	@set -- $$($(PY) -m workbook.report choice $(PROFILE) $(DATA)); test "$$3" || exit 2; \
	$(PY) -m workbook.runs.verify --data $$1 --behind $(BUILD)/asked-$$3-$$1.json --share '$(or $(SHARE),5%)' --seed '$(SEED)'

# A picture for the playground comes in one message, and one of more than 10 MB would end the connection.
lab: $(READY) ## open the notebooks in JupyterLab, on a page that says which is which; LAB= more options for it
	$(PY) -m jupyter lab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks/start.ipynb \
		--ServerApp.tornado_settings='{"websocket_max_message_size": 100000000}' $(LAB)

new: $(READY) ## make the next section from a template, TITLE="What does dropout do?"
	@$(PY) -m workbook.report.new "$$TITLE"

sweep: $(READY) ## run a sweep, SWEEP=notebooks/sweeps/lambda.yaml for one; again goes on where it stopped
	@$(PY) -m workbook.runs.sweep $(SWEEP)

scheduler: $(READY) ## start what shares work among machines; HOST=its address for others than this one
	@$(PY) -m workbook.runs.machines scheduler '$(HOST)'

workers: $(READY) ## work for the scheduler SCHEDULER=tcp://HOST:8786, one process a core
	@$(PY) -m workbook.runs.machines workers '$(SCHEDULER)' '$(WORKERS)'

test: $(READY) ## run the tests
	$(PY) -m pytest

# needs the extra browser, and Chromium, which Debian has; where one is missing, every test says so and is skipped
test-browser: $(READY) ## drive JupyterLab in headless Chromium (needs the extra browser)
	$(PY) -m pytest tests/browser -rs

test-hard: $(READY) ## run the tests that take long: interruptions, thousands of random inputs
	$(PY) -m pytest -m 'hard or fuzz' --hypothesis-profile=hard

bench: $(READY) ## measure speed beside PyTorch and scikit-learn (needs the extra bench)
	@$(PY) -m benchmarks

lint: $(READY) ## check code and notebooks
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

clean: ## remove what was built, but not the stored results
	rm -rf $(BUILD) reports/checks reports/*.pdf reports/*.html reports/reproduction.csv reports/lambda-search.csv figures/*.svg figures/*.png

distclean: clean ## remove also the stored results and the environment
	rm -rf reports/results reports/sweeps $(VENV)

$(VENV)/ready: pyproject.toml
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "python3 is $$(python3 --version); the workbook needs 3.11 or newer" >&2; exit 2; }
	python3 -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@git rev-parse --git-dir > /dev/null 2>&1 && git config filter.notebook.clean '$(STRIP)' || true
	@touch $@

# What the reports are made with: data set, its fingerprint, profile. workbook.report writes the file, and only when one
# of them changes; then the notebooks run again.
$(BUILD)/choice:

# Printed numbers can be judged at full length only; anything shorter just shows that it runs.
JUDGED  = [ $$profile = full ] || profile=dry;
EXECUTE = read data fingerprint profile < $(BUILD)/choice; $(if $(findstring /reproduction/,$@),$(JUDGED)) \
	$(PY) -m workbook.report execute $< --output $@ -p data $$data -p profile $$profile

$(BUILD)/%.ipynb: notebooks/%.ipynb $(BUILD)/choice $(LIBRARY)
	@$(EXECUTE)
# all networks of all claims in one go, so that no core waits for the last network of a report
$(BUILD)/reproduction/trained: $(wildcard reports/claims/*.yml lib/nn/*.py) $(BUILD)/choice $(JUDGEMENT)
	@read data fingerprint profile < $(BUILD)/choice; $(JUDGED) mkdir -p $(@D); \
	WORKBOOK_NAME=claims $(PY) -m workbook.claims train reports/claims/*.yml --profile $$profile --data $$data && \
	touch $@ && echo '{"state": "done", "seconds": 0}' > $(BUILD)/progress/claims.state
$(CLAIMED): $(BUILD)/reproduction/%.ipynb: notebooks/reproduction/report.ipynb reports/claims/%.yml $(BUILD)/choice \
		$(LIBRARY) $(JUDGEMENT) | $(BUILD)/reproduction/trained
	@$(EXECUTE) -p report $*
# the front page of the reproduction sums all claims up
$(BUILD)/reproduction/front.ipynb: $(wildcard reports/claims/*.yml) $(JUDGEMENT) | $(CLAIMED)
$(BUILD)/reproduction/methods.ipynb: $(JUDGEMENT) docs/verdicts.md
# the front page of the course report shows networks of all sections, and the appendix tells what all took
$(BUILD)/summary.ipynb: $(BUILD)/07-lambda-search.ipynb
$(BUILD)/summary.ipynb $(BUILD)/appendix.ipynb: | $(SECTIONS)

$(ANEW): $(if $(FRESH),FORCE)
FORCE:

$(ALONE): reports/%.pdf: $(BUILD)/%.ipynb $(EXPORT)
	@$(PY) -m workbook.report build $< --output $(basename $@) --lax
reports/report.pdf: $(COURSE) reports/report.yml $(EXPORT)
	@$(PY) -m workbook.report build $(COURSE) --output $(basename $@)
reports/reproduction.pdf: $(REPEATED) reports/reproduction.yml $(EXPORT)
	@$(PY) -m workbook.report build $(REPEATED) --output $(basename $@)
