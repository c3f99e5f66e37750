# shellcheck shell=bash
# Runs at the start of every MWAA container (and of the local environment), sourced by bash, before requirements.txt is
# installed and before Airflow starts. It builds the virtualenv of dbt where tasks run and tells everybody where it is.
#
# Reads   $AIRFLOW_HOME/plugins/requirements-dbt.txt   (travels in plugins.zip)
#         $AIRFLOW_HOME/plugins/wheels/                (optional: then nothing is downloaded)
# Exports DBT_VENV_PATH
#
# Because it is sourced: no `exit` (MWAA takes any exit status for success), nothing is set that outlives it, and PIP_USER
# is never exported (it would send the pip of every task into the worker's own packages).

export DBT_VENV_PATH="${AIRFLOW_HOME}/dbt_venv"

_mwaa_dbt_say() {
    printf 'startup.sh: %s\n' "$*"
}

_mwaa_dbt_build() (
    # A subshell: its settings and its directory end with it.
    requirements="${AIRFLOW_HOME}/plugins/requirements-dbt.txt"
    wheels="${AIRFLOW_HOME}/plugins/wheels"
    marker="${DBT_VENV_PATH}/.mwaa-dbt-complete"

    if [ ! -f "$requirements" ]; then
        _mwaa_dbt_say "ERROR: $requirements is missing; plugins.zip must hold requirements-dbt.txt at its root."
        return 1
    fi
    # The interpreter that runs Airflow; in a virtualenv that is the first python3 on PATH.
    python=$(command -v python3) || {
        _mwaa_dbt_say "ERROR: there is no python3 on PATH ($PATH)."
        return 1
    }

    # One build at a time; whoever comes second finds it finished.
    exec 9>"${DBT_VENV_PATH}.lock"
    if command -v flock >/dev/null; then flock 9; fi

    # The marker is written last and says what was built: without it, or with another content, the build is repeated.
    wanted=$({
        "$python" -VV
        cat "$requirements"
        if [ -d "$wheels" ]; then ls "$wheels"; fi
    } | sha256sum | cut -d ' ' -f 1)
    if [ -f "$marker" ] && [ "$(cat "$marker")" = "$wanted" ]; then
        _mwaa_dbt_say "the dbt virtualenv $DBT_VENV_PATH is up to date"
        return 0
    fi

    _mwaa_dbt_say "building the dbt virtualenv $DBT_VENV_PATH with $("$python" -V)"
    began=$SECONDS
    rm -rf "$DBT_VENV_PATH" || return 1
    "$python" -m venv "$DBT_VENV_PATH" || {
        _mwaa_dbt_say "ERROR: $python could not make a virtualenv (disk full, or the venv module is missing)."
        return 1
    }
    if [ -d "$wheels" ]; then
        _mwaa_dbt_say "installing from $wheels, without the network"
        source_of_packages=(--no-index --find-links "$wheels")
    else
        source_of_packages=()
    fi

    # uv is several times faster than pip; where it can't be had, pip does the same.
    # From "/", so that no project's uv.toml or pyproject.toml is taken for settings.
    cd / || return 1
    unset PIP_USER PIP_CONSTRAINT PIP_REQUIRE_VIRTUALENV
    export PIP_DISABLE_PIP_VERSION_CHECK=1 UV_NO_CONFIG=1 UV_NO_PROGRESS=1 UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"
    if [ -n "${PIP_INDEX_URL:-}" ] && [ -z "${UV_DEFAULT_INDEX:-}" ]; then
        export UV_DEFAULT_INDEX="$PIP_INDEX_URL"
    fi
    if "$DBT_VENV_PATH/bin/pip" install --quiet "${source_of_packages[@]}" 'uv>=0.9,<1' 9>&- &&
        "$DBT_VENV_PATH/bin/uv" pip install --quiet --python "$DBT_VENV_PATH/bin/python" \
            "${source_of_packages[@]}" -r "$requirements" 9>&-; then
        :
    else
        _mwaa_dbt_say "uv did not do it (see above); installing with pip"
        "$DBT_VENV_PATH/bin/pip" install --quiet "${source_of_packages[@]}" -r "$requirements" 9>&- || {
            _mwaa_dbt_say "ERROR: dbt could not be installed from $requirements; pip's reason is above." \
                "Without a way to a package index, put wheels for all of it into plugins/wheels."
            return 1
        }
    fi
    # Import dbt and every adapter once: proves that they start, and compiles just the modules that tasks will import.
    "$DBT_VENV_PATH/bin/python" -c '
import importlib, pkgutil
import dbt.adapters, dbt.cli.main
for module in pkgutil.iter_modules(dbt.adapters.__path__):
    importlib.import_module("dbt.adapters." + module.name)
' 9>&- || {
        _mwaa_dbt_say "ERROR: dbt was installed but does not start (see above)."
        return 1
    }
    printf '%s\n' "$wanted" >"$marker" || return 1
    _mwaa_dbt_say "dbt is ready after $((SECONDS - began)) s"
)

case "${MWAA_AIRFLOW_COMPONENT:-}" in
worker | hybrid)
    if _mwaa_dbt_build; then
        :
    else
        _mwaa_dbt_say "FAILED. This container must not take tasks that it can't run: it is reported as unhealthy," \
            "and an update of the environment is rolled back."
        # Ends the shell without MWAA's exit handler, the one way to say "failed": a mere `exit 1` counts as success.
        set -e
        false
    fi
    ;;
*)
    _mwaa_dbt_say "no tasks run in ${MWAA_AIRFLOW_COMPONENT:-this container}: no dbt virtualenv needed"
    ;;
esac
unset -f _mwaa_dbt_say _mwaa_dbt_build
