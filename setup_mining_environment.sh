#!/usr/bin/env bash
# Makes the Python environment (conda env hunyuan3d where conda is on PATH, else .venv) and installs PM2.
# Safe to repeat: what is already in place is left as it is.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/scripts/environment.sh"

usage() {
    cat <<'TEXT'
usage: ./setup_mining_environment.sh [--cpu|--gpu] [--dev] [--no-node] [--check [--local]]
  --cpu      without CUDA libraries (default where no NVIDIA driver answers)
  --gpu      with the libraries of requirements-gpu.txt
  --dev      also what the tests need: the libraries of requirements-gpu.txt too, which they run on the CPU
  --no-node  leave Node and PM2 alone
  --check    change nothing: say what is missing or wrong on this machine, with the fix for each.
             Exit code 0: all is well, 1: warnings, 2: errors
  --local    with --check: for a local subnet, so without wallet, registration and the time
TEXT
}

target=auto dev=no node=yes check=no local=no
while [ $# -gt 0 ]; do
    case "$1" in
        --cpu) target=cpu ;;
        --gpu) target=gpu ;;
        --dev) dev=yes ;;
        --no-node) node=no ;;
        --check) check=yes ;;
        --local) local=yes ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; echo "error: unknown flag $1" >&2; exit 2 ;;
    esac
    shift
done
if [ "$target" = auto ]; then
    if command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L >/dev/null 2>&1; then target=gpu; else target=cpu; fi
fi

if [ "$check" = yes ]; then
    python="$(chosen_python)"
    flags=(--target "$target")
    if up_to_date; then flags+=(--installed); fi
    if [ "$local" = yes ]; then flags+=(--local); fi
    if [ "$dev" = yes ]; then flags+=(--dev); fi
    if [ "$node" = no ]; then flags+=(--no-node); fi
    [ -n "$python" ] || python="$(system_python 2>/dev/null)" || python="$(command -v python3)" || {
        echo "ERROR   python       there is none. Debian/Ubuntu: apt-get install python3.11 python3.11-venv" >&2
        exit 2
    }
    exec "$python" -m subnet17.ops.check "${flags[@]}"
fi
if [ "$local" = yes ]; then usage >&2; echo "error: --local goes with --check" >&2; exit 2; fi

check_disk() {
    local free_kb need_kb=3000000
    free_kb="$(df -Pk "$ROOT" | awk 'NR == 2 {print $4}')"
    if [ "$dev" = yes ]; then need_kb=10000000; fi
    if [ "$target" = gpu ]; then need_kb=20000000; fi
    [ "$free_kb" -ge "$need_kb" ] ||
        fail "disk has $((free_kb / 1000000)) GB free, $((need_kb / 1000000)) GB are needed to install ($target, dev: $dev)"
}
up_to_date || check_disk # what is installed already needs no more room

mkdir -p "$TOOLS"
if [ "$node" = yes ]; then
    require_node
    if ! has_pm2; then
        echo "installing PM2 into node_modules"
        npm ci --no-audit --no-fund --loglevel=error
    fi
fi

make_python() {
    if command -v conda >/dev/null 2>&1; then
        conda env list | awk -v wanted="$CONDA_ENV" '$1 == wanted {found = 1} END {exit !found}' || {
            echo "making the conda environment $CONDA_ENV" >&2
            rm -f "$TOOLS/installed" # of an environment that is no more
            conda create -y -q -n "$CONDA_ENV" python=3.11 >&2 ||
                fail "conda can't make the environment $CONDA_ENV"
        }
        conda run -n "$CONDA_ENV" python -c 'import sys; print(sys.executable)'
    else
        # Without python3-venv a first try leaves a .venv that has no pip: it counts as missing.
        if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
            local base
            base="$(system_python)"
            rm -f "$TOOLS/installed" # of an environment that is no more
            "$base" -m venv .venv >&2 || fail "can't make .venv. Debian/Ubuntu: apt-get install python3-venv"
        fi
        echo "$ROOT/.venv/bin/python"
    fi
}

python="$(make_python)" # messages go to stderr: only the path is printed
# Development packages stay once they are there: a later plain setup does not take them away.
if [ "$dev" = no ] && grep -q ' dev=yes$' "$TOOLS/installed" 2>/dev/null; then dev=yes; fi
wanted="$(fingerprint "$python") target=$target dev=$dev"
if [ "$(cat "$TOOLS/installed" 2>/dev/null)" = "$wanted" ]; then
    echo "environment is up to date: $python"
else
    files=(-r requirements.txt)
    if [ "$target" = gpu ] || [ "$dev" = yes ]; then files+=(-r requirements-gpu.txt); fi
    if [ "$dev" = yes ]; then files+=(-r requirements-dev.txt); fi
    echo "installing Python packages ($target, dev: $dev) into $python"
    "$python" -m pip install --quiet --disable-pip-version-check "${files[@]}" || # without network it tells of conflicts
        fail "pip could not install the packages, see above; are they out of reach (network, proxy, package index)?"
    "$python" -m pip check --disable-pip-version-check
    echo "$wanted" >"$TOOLS/installed"
fi
echo "$python" >"$TOOLS/python"

# The shape model's packages load these of the system.
missing_libraries() {
    "$python" -c 'import subnet17.ops.check_facts as c; print(*c.missing_libraries())' | grep . || true
}
if [ "$target" = gpu ] && [ -n "$(missing_libraries)" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "installing system libraries that the shape model needs"
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends libgl1 libglib2.0-0 libopengl0 \
            >/dev/null 2>&1 || true
    fi
    missing="$(missing_libraries)"
    [ -z "$missing" ] ||
        echo "note: the shape model needs $missing. Debian/Ubuntu: sudo apt-get install libgl1 libglib2.0-0 libopengl0"
fi

# Pictures of meshes need EGL or OSMesa of the system. Without them all else works, so nothing fails here.
check_opengl() {
    local renderer
    if renderer="$("$python" -I subnet17/validation/gl_probe.py 2>/dev/null)"; then
        echo "pictures of meshes: $renderer"
        return 0
    fi
    return 1
}
if ! check_opengl; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "installing EGL, which pictures of meshes need"
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends libegl1 libgl1 libgl1-mesa-dri \
            >/dev/null 2>&1 || true
    fi
    check_opengl ||
        echo "note: no pictures of meshes without EGL or OSMesa. Debian/Ubuntu: sudo apt-get install libegl1 libgl1 libgl1-mesa-dri"
fi
"$python" -c 'import subnet17.settings as s; s.load_settings()' || fail "mining.toml or the environment is not valid"
echo "ready: $target, Python $("$python" -V | cut -d' ' -f2), dev packages: $dev"
