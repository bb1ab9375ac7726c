# Sourced by scripts/run and scripts/test from the repository's root: makes .venv hold this project, and does nothing
# when it already does. Needs bash and a Python >= 3.11; neither root nor anything outside this folder.
#
#   setup_venv EXTRAS     such as setup_venv "authority,fast"

SETUP_STAMP=.venv/msc-setup-stamp

setup_venv() {
  local wanted=$1
  if setup_is_current "$wanted"; then return 0; fi
  setup_lock
  # Another start may have done it while this one waited for the lock.
  if ! setup_is_current "$wanted"; then
    setup_make_venv
    setup_install "$wanted"
    setup_fingerprint "$wanted" >"$SETUP_STAMP"
  fi
  setup_unlock
}

setup_say() { printf '%s\n' "setup: $*" >&2; }

setup_fail() {
  setup_say "$@"
  exit 1
}

# What an installation depends on: the project file, where the folder is (a .venv cannot be moved), and the extras.
setup_fingerprint() { printf '%s %s\n%s\n' "$(cksum <pyproject.toml)" "$PWD" "$1"; }

# The stamp is current when it was made from the same project file in the same place, with at least the extras wanted.
setup_is_current() {
  local line extras extra
  [[ -x .venv/bin/python && -r $SETUP_STAMP ]] || return 1
  { IFS= read -r line && IFS= read -r extras; } <"$SETUP_STAMP" || return 1
  [[ $line == "$(cksum <pyproject.toml) $PWD" ]] || return 1
  for extra in ${1//,/ }; do
    [[ ,$extras, == *",$extra,"* ]] || return 1
  done
  .venv/bin/python -c 'import msc_authority' 2>/dev/null
}

setup_find_python() {
  local name lacking=
  for name in python3.14 python3.13 python3.12 python3.11 python3; do
    # A name on PATH may be a stub that cannot run: only an answer counts.
    "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
    if "$name" -c 'import venv, ensurepip' 2>/dev/null; then
      command -v "$name"
      return 0
    fi
    lacking=$name
  done
  if [[ -n $lacking ]]; then
    setup_fail "$(command -v "$lacking") comes without venv or ensurepip. Install them (on Debian and Ubuntu the package" \
      "is ${lacking}-venv), or put another Python >= 3.11 on PATH, and start again."
  fi
  setup_fail "No Python >= 3.11 on PATH (looked for python3.14 to python3.11, and python3). Install one and start again."
}

setup_make_venv() {
  if setup_venv_works; then return 0; fi
  local python
  python=$(setup_find_python) || exit 1
  if [[ -e .venv ]]; then setup_say "The .venv here does not work (any more): making it anew."; fi
  rm -rf .venv
  setup_say "Making .venv with $python"
  "$python" -m venv .venv || setup_fail "$python could not make .venv: see above. Is this folder writable, the disk full?"
}

# Broken: its Python is gone or too old, pip is missing, or the folder was moved since it was made.
setup_venv_works() {
  [[ -x .venv/bin/python ]] || return 1
  .venv/bin/python - 2>/dev/null <<'PYTHON'
import os, sys
import pip
here = os.path.realpath(os.path.join(os.getcwd(), ".venv"))
with open(os.path.join(here, "bin", "pip"), encoding="utf-8") as script:
    head = script.read(1000)
made_here = here in head or os.path.join(os.environ.get("PWD", here), ".venv") in head
sys.exit(not (made_here and os.path.realpath(sys.prefix) == here and sys.version_info >= (3, 11)))
PYTHON
}

setup_install() {
  local wanted=$1 without
  local pip=(.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input)
  setup_say "Installing (the first time, this takes a minute or two) ..."
  rm -f "$SETUP_STAMP"
  # uvloop makes the server a little faster where a wheel of it exists; nothing else depends on it.
  if [[ ,$wanted, == *,fast,* ]]; then
    if "${pip[@]}" --only-binary uvloop --editable ".[$wanted]" 2>.venv/msc-setup-log; then return 0; fi
    grep -q uvloop .venv/msc-setup-log || { cat .venv/msc-setup-log >&2; setup_fail "pip could not install: see above."; }
    without=",$wanted,"
    without=${without/,fast,/,}
    wanted=${without#,}
    wanted=${wanted%,}
    setup_say "There is no wheel of uvloop for this machine: going on without it."
  fi
  "${pip[@]}" --editable ".[$wanted]" || setup_fail "pip could not install: see above. It needs a package index to reach."
}

# Two starts at once must not write to the same .venv.
setup_lock() {
  if command -v flock >/dev/null; then
    exec 9<pyproject.toml
    flock --nonblock 9 || { setup_say "Another setup is running here: waiting for it ..."; flock 9; }
    return 0
  fi
  SETUP_LOCK=${TMPDIR:-/tmp}/msc-setup-$(id -u)-$(printf %s "$PWD" | cksum | cut -d' ' -f1)
  until mkdir "$SETUP_LOCK" 2>/dev/null; do
    local owner
    owner=$(cat "$SETUP_LOCK/pid" 2>/dev/null || true)
    if [[ -n $owner ]] && ! kill -0 "$owner" 2>/dev/null; then rm -rf "$SETUP_LOCK"; continue; fi
    sleep 1
  done
  echo $$ >"$SETUP_LOCK/pid"
  trap 'rm -rf "$SETUP_LOCK"' EXIT
}

setup_unlock() {
  if [[ -n ${SETUP_LOCK:-} ]]; then
    rm -rf "$SETUP_LOCK"
    trap - EXIT
  else
    exec 9<&-
  fi
}
