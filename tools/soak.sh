#!/usr/bin/env bash
# Long runs of what `make test` does shortly: kills, mutants, fuzzing. Each prints its seed; SAFELIGHT_SEED repeats one.
#   Simulated devices come last and go on until they are stopped (Ctrl-C), each failing seed with the line that repeats it.
#   SAFELIGHT_KILLS (500), SAFELIGHT_MUTANTS (10000), SAFELIGHT_SOAK_MINUTES (30 for fuzzing; when given, for the
#   simulated devices too)
set -uo pipefail
cd "$(dirname "$0")/.."
export SAFELIGHT_CACHE=${SAFELIGHT_CACHE:-$HOME/.cache/safelight}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$SAFELIGHT_CACHE/target}
export SAFELIGHT_PYTHON="$SAFELIGHT_CACHE/venv/bin/python"
if [ -z "${SAFELIGHT_CORPUS:-}" ] && [ -d ../shared/corpus ]; then SAFELIGHT_CORPUS=$(cd ../shared/corpus && pwd); export SAFELIGHT_CORPUS; fi
export SAFELIGHT_KILLS=${SAFELIGHT_KILLS:-500}
export SAFELIGHT_MUTANTS=${SAFELIGHT_MUTANTS:-10000}
export SAFELIGHT_SEED=${SAFELIGHT_SEED:-$RANDOM}
minutes=${SAFELIGHT_SOAK_MINUTES:-30}
failed=0
echo "seed $SAFELIGHT_SEED"

step() { printf '\n== %s\n' "$1"; shift; "$@" || { failed=$((failed + 1)); echo "FAILED"; }; }

step "kills ($SAFELIGHT_KILLS) and mutants ($SAFELIGHT_MUTANTS)" \
  cargo test --release --locked -p safelight --test faults -- --nocapture --test-threads 2 killed_at_random broken_files_by_the_hundred
# Laws and decoders with many more cases than in make test.
PROPTEST_CASES=20000 step "property tests" \
  cargo test --release --locked -p safelight-crypto -p safelight-model -p safelight-catalog
targets=(crates/*/tests/fuzz.rs)
export SAFELIGHT_FUZZ_SECONDS=$((minutes * 60 / ${#targets[@]}))
for target in "${targets[@]}"; do
  [ -e "$target" ] || continue
  crate=${target#crates/}; crate=safelight-${crate%%/*}
  step "fuzzing $crate for $SAFELIGHT_FUZZ_SECONDS s" cargo test --release --locked -p "$crate" --test fuzz -- --nocapture
done

# A failing seed ends nothing: one night finds what there is. Being stopped is no failure.
printf '\n== simulated devices and places, until stopped (Ctrl-C)\n'
stopped=''
trap 'stopped=1' INT
SIM_DEPARTURES=1 SIM_SECONDS=$((${SAFELIGHT_SOAK_MINUTES:-100000000} * 60)) SIM_FAILURES=1000000 SIM_FROM=$((SAFELIGHT_SEED * 1000000)) \
  cargo test --release --locked -p safelight-sim --test seeds -- --nocapture no_seed \
  || [ -n "$stopped" ] || { failed=$((failed + 1)); echo "FAILED"; }
trap - INT

printf '\n%d steps failed\n' "$failed"
[ "$failed" = 0 ]
