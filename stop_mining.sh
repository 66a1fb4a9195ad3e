#!/usr/bin/env bash
# Stops all processes of this project gracefully, the miner first. Other PM2 apps are left alone.
# usage: ./stop_mining.sh   (a single process: python mining_orchestrator.py stop --process NAME)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/scripts/environment.sh"

for flag in "$@"; do
    case "$flag" in
        -h | --help) sed -n '2,3s/^# \?//p' "$ROOT/stop_mining.sh"; exit 0 ;;
        *) echo "error: unknown flag $flag; there are none: nothing was stopped" >&2; exit 2 ;;
    esac
done

python="$(chosen_python)"
if [ -z "$python" ]; then
    [ ! -s "$TOOLS/python" ] || fail "can't run $(cat "$TOOLS/python"): nothing was looked at (is it another user's?)"
    echo "nothing of ours was running: the environment is not set up"
    exit 0
fi
exec "$python" -m subnet17.ops.launch stop
