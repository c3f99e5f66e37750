#!/bin/sh
# Puts uv into .local/uv and what uv.lock names into .venv. Does nothing when both are up to date; can be interrupted and
# repeated. `make setup` runs it from the repository's root.
#
# PYTHON chooses the interpreter; otherwise the first of python3, python3.12, python3.11 that fits.
set -eu
# Where a company has its own certificates, uv must know them as pip and git do.
export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"
uv_version=0.13.8

say() { printf '%s\n' "$*" >&2; }
began=$(date +%s)
# On a terminal uv and pip show what they are at; in a log, that would be noise.
quiet=--quiet
[ ! -t 2 ] || quiet=

fits() {
    # A shim may answer for versions that aren't there, so the interpreter itself has to.
    "$1" -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null
}

stamp="$(cksum uv.lock pyproject.toml mwaactl/setup.sh) $(pwd) ${PYTHON:-}"
ready() {
    [ -x .venv/bin/mwaactl ] && [ -x .local/uv/bin/uv ] && [ "$(cat .venv/.ready 2>/dev/null)" = "$stamp" ]
}
! ready || exit 0

# Two at once would take the packages from under each other: the second waits, and then has nothing to do.
mkdir -p .local
exec 9>.local/setup.lock
if ! flock -n 9; then
    say "setup: another one is at work in this folder; waiting for it"
    flock 9
fi
! ready || exit 0

python=
for candidate in ${PYTHON:-python3 python3.12 python3.11 /usr/bin/python3}; do
    if command -v "$candidate" >/dev/null 2>&1 && fits "$candidate"; then
        python=$("$candidate" -c 'import os, sys; print(os.path.realpath(sys.executable))')
        break
    fi
done
if [ -z "$python" ]; then
    say "No Python that fits was found (looked at: ${PYTHON:-python3, python3.12, python3.11})."
    say "  -> Python 3.11 or 3.12 with its venv module is needed. On Debian 12: apt install python3 python3-venv."
    say "     If it lies elsewhere: make setup PYTHON=/path/to/python3.12"
    exit 1
fi

# Both are written last, so an interrupted setup is repeated.
rm -f .venv/.ready
if [ "$(.local/uv/bin/uv --version 2>/dev/null | cut -d ' ' -f 2)" != "$uv_version" ]; then
    say "setup: uv $uv_version into .local/uv"
    rm -rf .local/uv
    "$python" -m venv .local/uv
    .local/uv/bin/python -m pip install ${quiet:+"$quiet"} --disable-pip-version-check "uv==$uv_version" || {
        say "  -> uv could not be installed (pip's reason is above). Is there a way to a Python package index?"
        exit 1
    }
fi
say "setup: packages into .venv with $python (up to a minute where none is cached)"
if ! UV_PYTHON_DOWNLOADS=never UV_PYTHON="$python" .local/uv/bin/uv sync --locked ${quiet:+"$quiet"}; then
    say "  -> The packages could not be installed (uv's reason is above). Repeat the command when the cause is gone."
    exit 1
fi
printf '%s\n' "$stamp" >.venv/.ready
say "setup: ready after $(($(date +%s) - began)) s"
