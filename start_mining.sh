#!/usr/bin/env bash
# Starts the services under PM2, sets up first if needed, waits until they are healthy.
#   ./start_mining.sh           the trio on the public network
#   ./start_mining.sh --local   the trio on the embedded back ends with a local subnet; ends once a result was accepted
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/scripts/environment.sh"

flags=()
for flag in "$@"; do
    case "$flag" in
        --local) flags=(--local) ;;
        -h | --help) sed -n '2,4s/^# \?//p' "$ROOT/start_mining.sh"; exit 0 ;;
        *) echo "error: unknown flag $flag; known: --local" >&2; exit 2 ;;
    esac
done

if ! up_to_date; then
    target="$(chosen_target)"
    if [ -z "$target" ] && [ "${#flags[@]}" -gt 0 ]; then target=--cpu; fi
    ./setup_mining_environment.sh ${target:+"$target"}
fi
require_node
exec "$(chosen_python)" -m subnet17.ops.launch start "${flags[@]}"
