# make paper   re-run the study of Volker & Vink (2021) and hold it against the published numbers
# make test    run the tests
# make verify  hold everything against R on fresh random cases (installs R from Debian; SEED=… repeats them)
# make docs    run the code of the guide and build the site, site/index.html
# Everything is installed into .venv; only Python ≥ 3.11 and make are needed.

PYTHON ?= python3
BIN := .venv/bin
ENV := .venv/installed
STUDY := experiments/volker_vink_2021/oracle

.PHONY: paper test lint docs verify benchmark oracle data clean

paper: $(ENV)
	@$(BIN)/mice-sim run experiment=volker_vink_2021

test: $(ENV)
	@$(BIN)/python -m pytest -n auto --dist loadfile

lint: $(ENV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(ENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,docs]'
	@$(BIN)/python -m pytest tests/test_docs.py -o addopts="-q --strict-markers"
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "The site is in site/index.html."

# The following need R, which .ci/install-r installs from Debian. Both write their tables into docs/.

verify: $(ENV)
	@.ci/install-r
	@$(BIN)/python tests/verify --write $(if $(SEED),--seed $(SEED))

benchmark: $(ENV)
	@.ci/install-r
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,bench]'
	@for part in "" --engine --two-level --peers; do \
	  $(BIN)/mice-sim benchmark $$part --save results/benchmark.json || exit 1; done
	@$(BIN)/python tests/pages.py

oracle: $(ENV)
	for name in rpart models ampute copies forest heckman level_2 methods_categorical methods_continuous mids mixed patterns pooling chains two_level; do \
	  Rscript tests/oracles/$$name.R tests/oracles || exit 1; done
	for version in 3.13 3.15; do Rscript $(STUDY)/study.R mice-$$version 1 1000 $(STUDY)/mice_$$version.csv.gz; done

data:
	Rscript mice_sim/data/export_boys.R mice_sim/data
	Rscript mice_sim/data/export_popmis.R mice_sim/data

$(ENV): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.12 …")'
	@echo "Installing into .venv …"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

clean:
	rm -rf .venv build dist site
