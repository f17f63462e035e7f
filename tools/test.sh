#!/usr/bin/env bash
# Runs every check that must hold before a merge, to the end, and sums up in one last line:
#   N passed, N failed, N skipped
# `tools/test.sh lint` runs the checks that start no test. A step that cannot run here is skipped with its reason.
set -uo pipefail
cd "$(dirname "$0")/.."
export SAFELIGHT_CACHE=${SAFELIGHT_CACHE:-$HOME/.cache/safelight}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$SAFELIGHT_CACHE/target}
export PATH="$PATH:$SAFELIGHT_CACHE/tools/bin"
# The servers were installed by setup.sh just before: a test that does not find its own has failed.
if [ -f "$SAFELIGHT_CACHE/servers/.installed" ]; then export SAFELIGHT_REQUIRE_SERVERS=1; fi
export SAFELIGHT_PYTHON="$SAFELIGHT_CACHE/venv/bin/python"
# Tests find real photos here when they are beside the checkout.
if [ -z "${SAFELIGHT_CORPUS:-}" ] && [ -d ../shared/corpus ]; then SAFELIGHT_CORPUS=$(cd ../shared/corpus && pwd); export SAFELIGHT_CORPUS; fi

# Tests wait for the disk more than for anything else, because the product makes sure of every object; none of them cuts the
# power, so what they write may as well lie in memory where there is plenty of it.
if [ -z "${TMPDIR:-}" ] && [ "$(df --output=avail -k /dev/shm 2>/dev/null | tail -1)" -ge 8000000 ] 2>/dev/null; then
  TMPDIR=$(mktemp -d /dev/shm/safelight-test.XXXXXX); export TMPDIR
  chmod 755 "$TMPDIR"   # some tests become somebody who is not root, and must find their room
fi

passed=0 failed=0 skipped=0
failures=()
log=$(mktemp -d); trap 'rm -rf "$log"; case ${TMPDIR:-} in /dev/shm/safelight-test.*) rm -rf "$TMPDIR" ;; esac' EXIT

heading() { printf '\n== %s\n' "$*"; }
skip() { printf 'skipped: %s\n' "$*"; skipped=$((skipped + 1)); }

# One command that is one check.
check() {
  local name=$1; shift
  heading "$name"
  local begun=$SECONDS
  if "$@"; then passed=$((passed + 1)); printf 'ok: %s (%d s)\n' "$name" $((SECONDS - begun))
  else failed=$((failed + 1)); failures+=("$name"); printf 'FAILED: %s\n' "$name"; fi
}

# A test runner, whose own counts are summed.
tests() {
  local name=$1; shift
  heading "$name"
  "$@" 2>&1 | tee "$log/out"
  local status=${PIPESTATUS[0]} counts
  counts=$(sed 's/\x1b\[[0-9;]*m//g' "$log/out" | awk '
    # cargo nextest
    /^ *Summary \[/ { line = $0; sub(/.*\] */, "", line)
      while (match(line, /[0-9]+ (passed|failed|skipped|timed out|exec failed)/)) {
        split(substr(line, RSTART, RLENGTH), part, " ")
        if (part[2] == "passed") p += part[1]; else if (part[2] == "skipped") s += part[1]; else f += part[1]
        line = substr(line, RSTART + RLENGTH) } }
    # cargo test
    /^test result:/ { for (i = 1; i < NF; i++) { if ($(i+1) ~ /^passed/) p += $i; if ($(i+1) ~ /^failed/) f += $i; if ($(i+1) ~ /^ignored/) s += $i } }
    # vitest
    /^ *Tests +[0-9]+ / { for (i = 1; i < NF; i++) { if ($(i+1) ~ /^passed/) p += $i; if ($(i+1) ~ /^failed/) f += $i; if ($(i+1) ~ /^skipped/) s += $i } }
    # our own scripts
    /^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/ { p += $1; f += $3; s += $5 }
    END { print p + 0, f + 0, s + 0 }')
  local p f s; read -r p f s <<<"$counts"
  if [ "$status" != 0 ] && [ "$f" = 0 ]; then f=1; fi   # it did not even build
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  [ "$f" = 0 ] || failures+=("$name")
}

licences() {
  if command -v cargo-deny >/dev/null; then check "licences, bans, sources" cargo deny --log-level error check bans licenses sources
  else heading "licences"; skip "cargo-deny is not here and could not be built"; return; fi
  heading "advisories"
  # The advisory database lives outside the package registries; without a way to it this is said, not hidden.
  if timeout 60 cargo deny --log-level error fetch db >"$log/fetch" 2>&1; then
    check "advisories" cargo deny --log-level error check --disable-fetch advisories
  else skip "the RustSec advisory database cannot be fetched from here"; fi
}

wasm() {
  heading "test vectors as WebAssembly under Node"
  vectors/run-wasm.sh; local status=$?
  case $status in
    0) passed=$((passed + 1)); echo "ok: test vectors as WebAssembly" ;;
    77) skip "this machine cannot build WebAssembly" ;;
    *) failed=$((failed + 1)); failures+=("test vectors as WebAssembly"); echo "FAILED: test vectors as WebAssembly" ;;
  esac
}

# The second reader of the format opens what the binary of this checkout wrote.
recover() {
  if ! "$SAFELIGHT_PYTHON" -c 'import cryptography' 2>/dev/null; then
    heading "recovery without Safelight"; skip "no Python with 'cryptography' here (tools/setup.sh test)"; return
  fi
  local binary=${SAFELIGHT_BIN:-}
  if [ -z "$binary" ]; then
    check "binary for the recovery" cargo build --locked --quiet --bin safelight
    binary=$CARGO_TARGET_DIR/debug/safelight
  fi
  tests "recovery without Safelight" env SAFELIGHT_BIN="$binary" "$SAFELIGHT_PYTHON" -B recover/test_recover.py
  tests "checkpoints, read as the specification says" "$SAFELIGHT_PYTHON" -B recover/test_checkpoints.py
  tests "audit exports, checked as the guide says" env PYTHONPATH=recover "$SAFELIGHT_PYTHON" -B recover/test_audit_verify.py
}

# What lies in deploy/: each part has a script that says what it tried and what it could not try here.
deployed() {
  local binary=${SAFELIGHT_BIN:-} script
  if [ -z "$binary" ]; then
    check "binary for deploy" cargo build --locked --quiet --bin safelight
    binary=$CARGO_TARGET_DIR/debug/safelight
  fi
  for script in deploy/*/test.sh; do
    tests "${script%/test.sh}" env SAFELIGHT_BIN="$binary" "$script"
  done
}

# The pages: built first, because the binary takes them in. Then what their own tools say, then a browser on the binary.
gallery_pages() {
  if ! tools/web.sh can; then heading "gallery"; skip "no Node that builds it"; return; fi
  check "the gallery's pages build" tools/web.sh build
  check "types and lint of the gallery" tools/web.sh check
}
gallery() {
  tools/web.sh can 2>/dev/null || return 0
  tests "unit tests of the gallery" tools/web.sh test
  local binary=${SAFELIGHT_BIN:-}
  if [ -z "$binary" ]; then
    check "binary for the gallery" cargo build --locked --quiet --bin safelight
    binary=$CARGO_TARGET_DIR/debug/safelight
  fi
  check "the pages are typed by the server's own document" env SAFELIGHT_BIN="$binary" tools/web.sh check
  tests "the gallery in a browser" env SAFELIGHT_BIN="$binary" tools/web.sh e2e
}

gallery_pages
check "format" cargo fmt --all --check
check "lints (clippy)" cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
licences
if [ "${1:-}" != lint ]; then
  [ -n "${SAFELIGHT_CORPUS:-}" ] || { heading "corpus"; skip "no corpus of real photos beside the checkout (../shared/corpus); tests draw their own"; }
  if cargo nextest --version >/dev/null 2>&1; then
    tests "tests" cargo nextest run --workspace --locked --no-fail-fast
  else
    tests "tests" cargo test --workspace --locked --no-fail-fast --lib --bins --tests --examples
  fi
  tests "examples in the documentation" cargo test --workspace --locked --doc --quiet
  wasm
  recover
  deployed
  gallery
fi

printf '\n'
for name in ${failures[@]+"${failures[@]}"}; do printf 'failed: %s\n' "$name"; done
printf 'in %d min %d s\n' $((SECONDS / 60)) $((SECONDS % 60))
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" = 0 ]
