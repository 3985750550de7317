# Two commands: `make run` starts Attune, `make test` runs every check. Both install what they need, once.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: run test check clean
.DELETE_ON_ERROR:

run: $(VENV)/.core
	@bash .ci/system-packages
	@$(BIN)/attune start

test: check
	$(BIN)/pytest

check: $(VENV)/.dev
	@bash .ci/system-packages
	@bash .ci/browser
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell --toml pyproject.toml agent streaming prompts eval tests README.md CHANGELOG.md .github
	$(BIN)/pyright
	$(BIN)/lint-imports

$(VENV)/bin/python:
	@"$(PYTHON)" -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 13) else f"Attune needs Python 3.11 or 3.12, found {v[0]}.{v[1]}: install one, or name it: make PYTHON=/path/to/python3.11")'
	@"$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); echo "no venv module: install python3-venv"; exit 1; }

$(VENV)/.core: pyproject.toml | $(VENV)/bin/python
	@echo "installing Attune (a few minutes, once)"
	@$(PIP) --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	@echo "installing Attune and its checks (a few minutes, once)"
	@$(PIP) --editable '.[dev]'
	@.ci/llama-cpp $(VENV)
	@.ci/node-clients $(VENV)
	@touch $@ $(VENV)/.core

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .import_linter_cache
