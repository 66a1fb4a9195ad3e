#!/usr/bin/env bash
# Updates this checkout to the newest signed version, and goes back when it does not come up. Never runs by itself:
# calling it, by hand or from a timer of yours, is the consent.
#
#   scripts/update.sh [--check] [--to vX.Y.Z] [--no-start] [--remote NAME]
#   --check     only says whether there is a newer version that is signed
#   --to        this version, also an older one or one that failed before
#   --no-start  installs only; without it the processes are stopped, and started in the new version
#   --remote    where to look; default: origin
#
# Versions are tags vX.Y.Z, signed by somebody you named: SSH signers in ~/.config/subnet17/allowed_signers
# (ALLOWED_SIGNERS names another file; see ssh-keygen, ALLOWED SIGNERS), or OpenPGP keys that you trust fully.
# Your mining.toml stays as it is. A living `mining_orchestrator.py run` is ended with the stop and started again
# after the start. STOP_COMMAND and START_COMMAND replace ./stop_mining.sh and ./start_mining.sh;
# the start must fail when the processes don't become healthy.
#
# Exit code: 0 up to date now, 1 refused or failed and the old version is in place, 3 going back failed as well.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

SIGNERS="${ALLOWED_SIGNERS:-$HOME/.config/subnet17/allowed_signers}"
STOP="${STOP_COMMAND:-./stop_mining.sh}"
START="${START_COMMAND:-./start_mining.sh}"
SETUP="${SETUP_COMMAND:-./setup_mining_environment.sh}"
FAILED="$TOOLS/failed_updates" # versions that did not come up: a timer does not try them for ever
KEPT="$TOOLS/mining.toml.kept"
PLACE=refs/subnet17-update # fetched tags lie apart: yours are never moved

say() { echo "update: $*"; }

# Whether a fetched tag is signed by somebody named, and was signed under this very name and no other.
verified() {
    local inside
    inside="$(git -c gpg.ssh.allowedSignersFile="$SIGNERS" -c gpg.minTrustLevel=fully \
        verify-tag --format='%(tag)' "$PLACE/$1" 2>/dev/null)" && [ "$inside" = "$1" ]
}

# All versions, the newest first.
versions() {
    git for-each-ref --format='%(refname:lstrip=2)' --sort=-version:refname "$PLACE" |
        grep -E '^v[0-9]+\.[0-9]+\.[0-9]+$' || true
}

is_newer() { # is $1 newer than $2?
    [ "$1" != "$2" ] && [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | tail -n 1)" = "$1" ]
}

current_version() {
    local named
    named="$(cat "$TOOLS/version" 2>/dev/null || true)"
    if [ -n "$named" ] && [ "$(git rev-parse -q --verify "$PLACE/$named^{commit}")" = "$(git rev-parse HEAD)" ]; then
        echo "$named"
    else # the newest version that this checkout contains
        local version
        for version in $(versions); do
            if git merge-base --is-ancestor "$PLACE/$version" HEAD; then echo "$version"; return; fi
        done
        echo v0.0.0
    fi
}

# The newest version after the current one that may be installed; empty when there is none.
candidate() {
    local version current
    current="$(current_version)"
    for version in $(versions); do
        is_newer "$version" "$current" || break
        if grep -qxF "$version" "$FAILED" 2>/dev/null; then
            say "$version did not come up before: passed over (--to $version tries it again)" >&2
        elif verified "$version"; then
            echo "$version"
            return
        else
            say "$version is not signed by anybody you named: passed over" >&2
        fi
    done
}

# Puts a commit in place; the operator's mining.toml goes with it.
put() {
    cp mining.toml "$KEPT" && git checkout --quiet --force "$@" && cp "$KEPT" mining.toml
}

run_lives() {
    { "$(chosen_python)" mining_orchestrator.py status --json 2>/dev/null || true; } | # 1: not all are healthy
        grep -q '"orchestrator": "run (pid'
}

# Sets up and starts what is in place. The lock is not passed on: a daemon would hold it for ever.
bring_up() {
    # shellcheck disable=SC2046,SC2086 # commands with their flags
    $SETUP $(chosen_target) 9>&- && { [ "$start" = no ] || $START 9>&-; } || return
    if [ "$start" = yes ] && [ "$watched" = yes ] && ! run_lives; then
        setsid "$(chosen_python)" mining_orchestrator.py run </dev/null >/dev/null 2>&1 9>&- &
    fi
}

go_back() { # $1: what failed, $2: where to
    trap '' INT TERM # going back is finished
    say "$1: going back to $2" >&2
    if [ "$start" = yes ]; then $STOP 9>&- || true; fi # what the new version has started
    { put "$2" && bring_up; } || { say "the old version does not come up either: see above" >&2; exit 3; }
    say "the version of before is in place again" >&2
    exit 1
}

main() {
    local check=no wanted="" remote=origin
    start=yes watched=no
    while [ $# -gt 0 ]; do
        case "$1" in
            --check) check=yes ;;
            --to) shift; wanted="${1:?--to needs a version}" ;;
            --no-start) start=no ;;
            --remote) shift; remote="${1:?--remote needs a name}" ;;
            -h | --help) sed -n '2,/^set /{/^set /d;s/^# \?//p}' "$ROOT/scripts/update.sh"; exit 0 ;;
            *) fail "unknown flag $1; --help lists them" ;;
        esac
        shift
    done
    mkdir -p "$TOOLS"
    exec 9>"$TOOLS/update.lock"
    flock -n 9 || fail "another update runs"
    git diff --quiet HEAD -- . ':!mining.toml' ||
        fail "files of the project were changed by hand (git status): an update would lose that"
    git fetch --quiet --no-tags --prune "$remote" "+refs/tags/v*:$PLACE/v*" || fail "can't fetch from $remote"

    local target before
    if [ -n "$wanted" ]; then
        git rev-parse -q --verify "$PLACE/$wanted" >/dev/null || fail "there is no version $wanted"
        verified "$wanted" || fail "$wanted is not signed by anybody you named ($SIGNERS)"
        target="$wanted"
    else
        target="$(candidate)"
    fi
    if [ -z "$target" ]; then say "up to date: $(current_version)"; exit 0; fi
    if [ "$check" = yes ]; then say "$target is there, signed; now: $(current_version)"; exit 0; fi

    before="$(git symbolic-ref -q --short HEAD || git rev-parse HEAD)"
    say "from $(current_version) to $target"
    if [ "$start" = yes ]; then
        if run_lives; then watched=yes; fi
        $STOP 9>&- || fail "the processes could not be stopped: nothing was changed"
    fi
    trap 'go_back interrupted "$before"' INT TERM
    if ! { put --detach "$PLACE/$target" && bring_up; }; then
        echo "$target" >>"$FAILED"
        go_back "$target did not come up" "$before"
    fi
    echo "$target" >"$TOOLS/version"
    say "$target is in place"
    exit 0
}

main "$@" # the last line: this file is replaced while it runs, and bash reads no further
