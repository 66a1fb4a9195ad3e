#!/usr/bin/env bash
# Sets up and runs everything that CI runs: ruff, mypy and the whole CPU test suite. Arguments go to pytest.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/scripts/environment.sh"

./setup_mining_environment.sh --cpu --dev
python="$(chosen_python)"
"$python" -m ruff format --check .
"$python" -m ruff check .
"$python" -m mypy
# Two at a time, file by file: many tests wait for processes. -n 0 runs all in one process.
exec "$python" -m pytest -n 2 --dist loadfile --no-loadscope-reorder "$@"
