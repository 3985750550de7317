# Two commands: `make run` starts Attune, `make test` runs every check. Both install what they need.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test check system clean

run: $(VENV)/.core system
	@$(BIN)/attune start

test: $(VENV)/.dev system
	@$(BIN)/python -m tests.gate

check: $(VENV)/.dev
	@$(BIN)/python -m tests.gate --no-pytest
