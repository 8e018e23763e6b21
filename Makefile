# `make demo` and `make test` are all that a newcomer needs; both set up their own .venv first.

PYTHON ?= python3
BIN := .venv/bin
PROFILE ?=
RECIPE := recipes/email-events.yaml
MAIL := recipes/examples/meeting.eml.txt
CORES := $(shell getconf _NPROCESSORS_ONLN)

.PHONY: setup demo test lint bench-train bench-data bench-serve soak exact clean

setup: .venv/ready

# torch goes first: where a CPU build is offered beside the default one, only a direct request takes it.
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make demo PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv; llama.cpp is compiled for this processor, which takes about four minutes."
	$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0 -c constraints.txt
	CMAKE_BUILD_PARALLEL_LEVEL=$(CORES) CMAKE_ARGS="-DLLAVA_BUILD=OFF $(CMAKE_ARGS)" \
		$(BIN)/pip install --quiet --disable-pip-version-check -e '.[laptop,dev]' -c constraints.txt
	touch $@

# Exit status 3 says that the gate rejected the model: the run is complete, and the report says why.
demo: setup
	$(BIN)/stillroom run $(RECIPE) $(if $(PROFILE),--profile $(PROFILE)) || test $$? -eq 3
	@echo
	@echo "One e-mail, answered by the specialist:"
	@cat $(MAIL)
	$(BIN)/stillroom ask --run runs/email-events$(if $(PROFILE),-$(PROFILE)) --file $(MAIL) --verbose

test: setup
	$(BIN)/pytest tests/unit -q -n 2 -p no:schemathesis
	$(BIN)/pytest tests/integration tests/system -q -n 2 --dist loadfile --no-loadscope-reorder

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Stillroom against stock TRL and torchtune, about 40 minutes on two cores with nothing else running.
bench-train: setup
	$(BIN)/python -m benchmarks.train

# Stillroom's server against llama-server (built at first use) and llama-cpp-python's, with the demo's models: about
# 25 minutes on two cores with nothing else running.
bench-serve: setup
	$(BIN)/python -m benchmarks.serve

# Near duplicates against text-dedup and datatrove (each in an environment of its own), the clean chain, personal data.
bench-data: setup
	$(BIN)/python -m benchmarks.data

# 10,000 requests of every kind to a server, and 3,000 greedy answers against llama.cpp's own; REQUESTS=N for others.
soak: setup
	SOAK_REQUESTS=$(or $(REQUESTS),10000) $(BIN)/pytest tests/system/serving/survival/test_soak.py -q -s

exact: setup
	EXACT_REQUESTS=$(or $(REQUESTS),3000) $(BIN)/pytest tests/integration/serving/engine/test_exact.py -q -s

clean:
	rm -rf .venv .cache runs
