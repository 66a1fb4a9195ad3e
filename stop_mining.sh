#!/usr/bin/env bash
# Stops all processes of this project gracefully, the miner first. Other PM2 apps are left alone.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/scripts/environment.sh"

python="$(chosen_python)"
if [ -z "$python" ]; then
    echo "nothing of ours was running: the environment is not set up"
    exit 0
fi
exec "$python" -m subnet17.ops.launch stop
