# What scripts/run and scripts/test share: the private Python environment in .venv, and system packages.
#
# Sourced by both, POSIX sh, safe to run twice or at once. Talks on standard error only, since standard
# output belongs to what is run. pip's own settings (environment, configuration files) are left as they are.

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
python=$root/.venv/bin/python
export PATH="${PATH:-/usr/local/bin:/usr/bin:/bin}"

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$*"; exit 1; }

# set_up base|test: .venv holds the project (editable) and what it needs; "test" adds the tools of scripts/test.
# Up to date means: made for these dependencies, in this folder, and its Python still starts.
set_up() {
    base_python=$(_find_python) || die "needs Python 3.11 or newer, found none: install it, or set PYTHON to one"
    # One at a time: the lock is on an open file, so it goes with us however we end.
    exec 9<"$root/pyproject.toml"
    "$base_python" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)'
    _wanted=$(_fingerprint)
    if "$python" -c '' 2>/dev/null && [ "$(cat "$root/.venv/.set-up-$1" 2>/dev/null)" = "$_wanted" ]; then
        exec 9<&-
        return 0
    fi
    _make_environment
    case $1 in
        test) _what="$root[test]" ;;
        *) _what=$root ;;
    esac
    say "installing the project and what it needs into .venv"
    PIP_USER=0 "$python" -m pip install --quiet --disable-pip-version-check --editable "$_what" \
        9<&- </dev/null >&2 || die "pip could not install the dependencies (its message is above)"
    printf '%s\n' "$_wanted" >"$root/.venv/.set-up-base"
    [ "$1" = base ] || printf '%s\n' "$_wanted" >"$root/.venv/.set-up-$1"
    exec 9<&-
}

# system_package NAME WHY: installed by apt when we may, else one line that says what to do.
system_package() {
    command -v apt-get >/dev/null || die "$2: please install $1 with your system's package manager"
    if [ "$(id -u)" = 0 ]; then
        _as_root=
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        _as_root="sudo -n"
    else
        die "$2: please install it with  sudo apt-get install $1"
    fi
    say "$2: installing $1"
    _apt install "$1" || { _apt update && _apt install "$1"; } || die "apt could not install $1"
}

_apt() {
    # dpkg's own scripts need the sbin folders, which a bare PATH lacks.
    _verb=$1
    shift
    $_as_root env DEBIAN_FRONTEND=noninteractive PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" \
        apt-get -qq -y -o DPkg::Lock::Timeout=120 -o APT::Install-Recommends=false "$_verb" "$@" 9<&- </dev/null >/dev/null
}

_find_python() {
    for _candidate in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11; do
        if "$_candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$_candidate"
            return 0
        fi
    done
    return 1
}

_fingerprint() {
    "$base_python" -c '
import hashlib, pathlib, sys
root = sys.argv[1]
print(hashlib.sha256(pathlib.Path(root, "pyproject.toml").read_bytes() + root.encode()).hexdigest())
' "$root"
}

_make_environment() {
    if "$python" -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        return 0
    fi
    # Debian and Ubuntu keep ensurepip, without which a venv has no pip, in a package of its own.
    if ! "$base_python" -c 'import ensurepip, venv' 2>/dev/null; then
        _version=$("$base_python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        case $(readlink -f "$base_python") in
            /usr/bin/*) system_package "python$_version-venv" "Python's venv module is missing" ;;
            *) die "$base_python lacks the modules venv and ensurepip: install them, or set PYTHON to another Python" ;;
        esac
    fi
    say "making .venv with $("$base_python" -V)"
    "$base_python" -m venv --clear "$root/.venv" 9<&- >&2 || die "could not make $root/.venv (the message is above)"
}
