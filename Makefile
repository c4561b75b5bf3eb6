# Everything that a developer or CI ever runs. Each target sets up what it needs.

VENV   ?= .venv
# the first interpreter that runs and is new enough
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
    $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.reluctant-stamp
# where the MNIST files are; without it the demo trains on scikit-learn's digits
DATA   ?=
# a second thread makes small networks slower, and results depend on how many there are
export OMP_NUM_THREADS = 1

.DEFAULT_GOAL := help
.PHONY: help demo test check slow lint types layers docs corpus bench claims golden clean

help:    ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 10

demo: $(STAMP)    ## why do the outputs of this network die? (DATA=dir for MNIST)
	$(BIN)/reluctant case dying-output -o out/dying-output $(if $(DATA),--data "$(DATA)")

test: $(STAMP)    ## all but the slow tests
	$(BIN)/python -m pytest -m "not slow" -n 2 tests

check: lint types layers slow corpus docs    ## everything else that CI runs

slow: $(STAMP)    ## the slow tests
	$(BIN)/python -m pytest -m slow -n 2 tests || [ $$? -eq 5 ]

lint: $(STAMP)    ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)    ## mypy, strict
	$(BIN)/mypy

layers: $(STAMP)    ## who may import whom
	$(BIN)/lint-imports

docs: $(STAMP)    ## write the generated pages, build the site into site/
	$(BIN)/python docs/generate.py
	$(BIN)/mkdocs build --strict --quiet

bench: $(STAMP)    ## what watching costs, how fast the lab is, what curvature takes, beside peers
	$(BIN)/python benchmarks/overhead.py
	$(BIN)/python benchmarks/lab.py
	$(BIN)/python benchmarks/curvature.py

corpus: $(STAMP)    ## 218 faulty and healthy trainings: how often are we right? (see corpus/README.md)
	$(BIN)/python -m corpus $(if $(SEEDS),--seeds $(SEEDS)) $(if $(JUDGE),--judge) \
	    $(if $(ONLY),--only "$(ONLY)") $(if $(CHECK),--check) $(if $(RECORD),--record)

claims: $(STAMP)    ## test the advice of the four threads anew, up to an hour (DATA=dir for MNIST)
	$(BIN)/reluctant claims -o docs/claims.md $(if $(DATA),--data "$(DATA)")

golden: $(STAMP)    ## rewrite printed output, then read the diff
	$(BIN)/python -m pytest --golden -q tests/report
	git diff --stat tests/report/golden

clean:    ## what can be made again, the environment included
	rm -rf $(VENV) site build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# An environment is set up once, and again when a requirement has changed.
$(STAMP): pyproject.toml constraints.txt
	@[ -n "$(PYTHON)" ] || { echo "error: no Python 3.11 or newer: make PYTHON=/path/to/python" >&2; exit 2; }
	[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt hatchling editables
	$(BIN)/python -m pip install --quiet -c constraints.txt --no-build-isolation -e ".[dev]"
	@touch $@
