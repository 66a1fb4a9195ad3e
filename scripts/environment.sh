# Sourced by the scripts in the project's root: finds Python, Node and PM2, and says what to do when one is missing.
# shellcheck shell=bash

shopt -s inherit_errexit # a failing command inside $(…) ends the script too

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$ROOT" || exit 1
TOOLS="$ROOT/.tools"
CONDA_ENV=hunyuan3d

fail() {
    echo "error: $*" >&2
    exit 1
}

# The interpreter that setup chose; empty before setup.
chosen_python() {
    [ -f "$TOOLS/python" ] || return 0
    local python
    python="$(cat "$TOOLS/python")"
    if [ -x "$python" ]; then echo "$python"; fi
}

# A Python of a version this project runs on, to make the environment with.
system_python() {
    local candidate
    for candidate in python3.11 python3.12 python3; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null; then
            command -v "$candidate"
            return 0
        fi
    done
    fail "Python 3.11 or 3.12 is missing. Debian/Ubuntu: apt-get install python3.11 python3.11-venv"
}

require_node() {
    command -v node >/dev/null 2>&1 || fail "Node.js is missing. Debian/Ubuntu: apt-get install nodejs npm (18 or newer)"
    command -v npm >/dev/null 2>&1 || fail "npm is missing. Debian/Ubuntu: apt-get install npm"
    local major
    major="$(node -p 'process.versions.node.split(".")[0]')"
    [ "$major" -ge 18 ] || fail "Node.js $major is too old: 18 or newer is needed"
}

has_pm2() {
    command -v pm2 >/dev/null 2>&1 || [ -x "$ROOT/node_modules/.bin/pm2" ]
}

# What the environment was made of: changes when a pinned file or the chosen profile does.
fingerprint() {
    { echo "$1"; cat requirements.txt requirements-gpu.txt requirements-dev.txt package.json; } | cksum | cut -d' ' -f1
}

# Whether the environment was made of the files as they are now (they change with an update of the project).
up_to_date() {
    local python
    python="$(chosen_python)"
    [ -n "$python" ] && has_pm2 && [ "$(cut -d' ' -f1 "$TOOLS/installed" 2>/dev/null)" = "$(fingerprint "$python")" ]
}

# --cpu or --gpu, as the last setup was told; empty before the first.
chosen_target() {
    sed -n 's/.* target=\([a-z]*\) .*/--\1/p' "$TOOLS/installed" 2>/dev/null || true
}
