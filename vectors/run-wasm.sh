#!/bin/sh
# Builds the vector runner for wasm32-unknown-unknown and runs every vector under Node.
#
#   vectors/run-wasm.sh            exit 0: all vectors hold · 1: they do not · 77: this machine cannot build wasm
#
# A standard library for wasm32 is looked for in this order: an installed rustup target, `rustup target add`,
# and on Debian the packages rustc-web and rust-web-src, from whose source cargo builds one. What is built stays
# in $CARGO_TARGET_DIR/wasm, so that only the first run is slow.
set -eu

cd "$(dirname "$0")/.."
target=wasm32-unknown-unknown
build="${CARGO_TARGET_DIR:-$HOME/.cache/safelight/target}/wasm"

# Small and quick to build; the code under test is the same.
export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=2
export CARGO_TARGET_DIR="$build"

say() { printf '%s\n' "$*" >&2; }

has_std() { # has_std RUSTC
    sysroot=$("$1" --print sysroot 2>/dev/null) || return 1
    set -- "$sysroot/lib/rustlib/$target/lib/libstd-"*
    [ -e "$1" ]
}

has_source() { [ -x /usr/bin/rustc ] && [ -e "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library/std/Cargo.toml" ]; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

install_debian() {
    command -v apt-get >/dev/null 2>&1 || return 1
    say "Installing rustc-web, rust-web-src and lld with apt-get, to build the standard library for $target"
    as_root apt-get install -y -qq --no-install-recommends rustc-web rust-web-src lld >&2 ||
        { as_root apt-get update -qq >&2 && as_root apt-get install -y -qq --no-install-recommends rustc-web rust-web-src lld >&2; }
}

build_with_std() {
    cargo build --quiet -p safelight-vectors --lib --release --target "$target"
}

# Debian's compiler with cargo's own way of building std; its linker comes from the lld package.
build_from_source() {
    RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld \
        cargo build --quiet -p safelight-vectors --lib --release --target "$target" -Zbuild-std=std,panic_abort
}

command -v node >/dev/null 2>&1 || { say "Node is needed to run the vectors as wasm"; exit 77; }

if has_std rustc; then
    build_with_std
elif command -v rustup >/dev/null 2>&1 && rustup target add "$target" >/dev/null 2>&1 && has_std rustc; then
    build_with_std
elif has_source || { install_debian && has_source; }; then
    command -v wasm-ld >/dev/null 2>&1 || install_debian
    build_from_source
else
    say "No standard library for $target: run 'rustup target add $target'"
    exit 77
fi

exec node vectors/run-wasm.mjs "$build/$target/release/safelight_vectors.wasm"
