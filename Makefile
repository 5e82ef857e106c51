# One venv, one list of requirements; every command runs from a fresh clone.
BIN := .venv/bin
STAMP := .venv/.installed
TEST_STAMP := .venv/.installed-tests

.PHONY: app test lint format sample bench bench-detection bench-audit
app: $(STAMP)
	$(BIN)/python -m streamlit run app.py

test: $(TEST_STAMP)
	$(BIN)/python -m pytest -n auto --maxprocesses=4 --dist=worksteal

lint: $(TEST_STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

sample: $(STAMP)
	$(BIN)/python -m moola sample

bench: $(TEST_STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/benchmarks -q -s -o addopts=--import-mode=importlib

bench-detection: $(TEST_STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.detection $(DETECTION)

bench-audit: $(TEST_STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.audit_curve

$(STAMP): requirements.txt
	python3 -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(TEST_STAMP): $(STAMP) tests/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	touch $@
