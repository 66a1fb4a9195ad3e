PYTHON = "$(shell cat .tools/python 2>/dev/null || echo .venv/bin/python)"

.PHONY: help setup check lint types test format bench simulate crash-trials soak clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

setup:  ## environment with development packages
	./setup_mining_environment.sh --cpu --dev

check: lint types test  ## what CI runs

lint:  ## ruff
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .

types:  ## mypy, strict
	$(PYTHON) -m mypy

test:  ## the whole CPU suite
	$(PYTHON) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

format:  ## rewrite in the project's style
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

bench:  ## all benchmarks, printed
	for file in benchmarks/bench_*.py; do $(PYTHON) $$file; done

simulate:  ## a day of mining in virtual time, beside the official miner's rules
	$(PYTHON) -m subnet17.localnet.simulate

crash-trials:  ## at night: 2,000 SIGKILLs of the miner at every state; goes on where it was broken off
	nice $(PYTHON) tests/crash/trials.py --kills 2000 --lanes 3

soak:  ## at night: both servers asked 10,000 times in 30 minutes; memory, descriptors, availability
	nice $(PYTHON) tests/soak/soak.py

clean:  ## remove what can be made again
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .numba_cache
	find . -name __pycache__ -not -path './.venv/*' -not -path './node_modules/*' -prune -exec rm -rf {} +
