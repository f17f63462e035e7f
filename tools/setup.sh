#!/usr/bin/env bash
# Puts in place what building, testing or measuring Safelight needs, and says so. Quiet when all is there.
#
#   tools/setup.sh build    a compiler, what the C parts need, and Node for the gallery (not with NO_GALLERY=1)
#   tools/setup.sh demo     build + Python with Pillow, ffmpeg (sample pictures, video posters)
#   tools/setup.sh test     demo + exiftool, Chromium, storage servers, the wasm target, cargo-deny
#   tools/setup.sh bench    test + the programs we are measured against
#
# Installs through apt (as root or with sudo that asks nothing) or Homebrew; where neither works it names
# what is missing and stops. Only package registries are contacted. Nothing is written outside the package
# manager, the Rust toolchain and the cache folder.
set -euo pipefail

level=${1:-build}
cache=${SAFELIGHT_CACHE:-$HOME/.cache/safelight}
root=$(cd "$(dirname "$0")/.." && pwd)
minimum_rust=1.95

say() { printf '%s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }
at_least() { case "$level" in
  build) [ "$1" = build ] ;;
  demo) [ "$1" = build ] || [ "$1" = demo ] ;;
  test) [ "$1" != bench ] ;;
  bench) true ;;
  *) say "tools/setup.sh: unknown level '$level' (build, demo, test, bench)"; exit 2 ;;
esac; }

# ---- 1. Rust, which we do not install for anyone -------------------------------------------------------
if ! have cargo || ! cargo --version >/dev/null 2>&1; then
  say "Safelight needs Rust $minimum_rust or newer, and no working 'cargo' was found."
  say "Get it from https://rustup.rs, open a new shell, and run this again."
  exit 1
fi
rust=$(rustc --version | awk '{print $2}')
if [ "$(printf '%s\n%s\n' "$minimum_rust" "${rust%%-*}" | sort -t. -k1,1n -k2,2n -k3,3n | head -1)" != "$minimum_rust" ]; then
  say "Safelight needs Rust $minimum_rust or newer; this is $rust. Run: rustup update stable"
  exit 1
fi

# ---- 2. Programs from the system's package manager ------------------------------------------------------
# wanted: "program debian-package homebrew-formula why"
missing=()
want() { have "$1" || missing+=("$1 $2 $3 $4"); }
at_least build
want cc build-essential - "C compiler"
want c++ build-essential - "C++ compiler"
want make make make "runs the Makefile"
want cmake cmake cmake "builds libjpeg-turbo and AWS-LC"
want nasm nasm nasm "fast paths of libjpeg-turbo"
want perl perl perl "configures the OpenSSL inside SQLCipher"
want pkg-config pkg-config pkg-config "finds C libraries"
if [ -z "${NO_GALLERY:-}" ]; then
  want node nodejs node "builds the pages of the gallery"
  want npm npm node "fetches what builds the pages of the gallery"
fi
if at_least demo; then
  want ffmpeg ffmpeg ffmpeg "posters of videos; draws sample videos"
  want python3 python3 python "draws sample pictures"
  if have python3 && ! python3 -c 'import venv, ensurepip' 2>/dev/null; then missing+=("python3-venv python3-venv python virtual-environments"); fi
  have python3 || missing+=("python3-venv python3-venv python virtual-environments")
fi
if at_least test; then
  want exiftool libimage-exiftool-perl exiftool "reads our XMP back, as a witness"
  want node nodejs node "runs the test vectors as WebAssembly"
  want npm npm node "installs Azurite, the test server of Azure Blob"
  # On a Mac Chrome is no formula; without a browser its tests are skipped and say so.
  if ! have chromium && ! have chromium-browser && ! have google-chrome && [ "$(uname)" != Darwin ]; then
    missing+=("chromium chromium - the browser that the gallery is tested in")
    missing+=("fc-list fonts-dejavu-core - letters for that browser")
  fi
  want openssl openssl openssl "certificates of test servers"
  have sshd || [ -x /usr/sbin/sshd ] || missing+=("sshd openssh-server - an SFTP server for tests")
  want rclone rclone rclone "a WebDAV server for tests; peer: upload"
  # On a Mac their tests are skipped and say so.
  if [ "$(uname)" != Darwin ]; then
    want softhsm2-util softhsm2 - "a PKCS#11 token for tests of key slots"
    want swtpm swtpm - "a TPM for tests of key slots"
    want dbus-daemon dbus - "a session bus for tests of key slots"
    want dbus-send dbus-bin - "asks on that bus"
    want gnome-keyring-daemon gnome-keyring - "a Secret Service on that bus"
    want systemd-analyze systemd - "says whether the units in deploy are sound"
    want systemd-nspawn systemd-container - "boots a systemd that runs them"
    want bwrap bubblewrap - "runs the container's root filesystem"
    want xmllint libxml2-utils - "reads the plist and the task in deploy"
  fi
fi
if at_least bench; then
  want vipsthumbnail libvips-tools vips "peer: thumbnails"
  want restic restic restic "peer: incremental backup"
  want vips libvips-tools vips "draws the 210 MP picture"
  [ "$(uname)" = Darwin ] || want strace strace - "counts opened files"
fi

if [ ${#missing[@]} -gt 0 ]; then
  say "Safelight needs a few programs that are not here yet:"
  for row in "${missing[@]}"; do set -- $row; say "  $1 (${*:4})"; done
  debian=$(for row in "${missing[@]}"; do set -- $row; echo "$2"; done | sort -u | tr '\n' ' ')
  brewed=$(for row in "${missing[@]}"; do set -- $row; [ "$3" = - ] || echo "$3"; done | sort -u | tr '\n' ' ')
  as_root=""
  if [ "$(id -u)" != 0 ]; then as_root="sudo -n"; fi
  if have apt-get && { [ -z "$as_root" ] || sudo -n true 2>/dev/null; }; then
    say "Installing with apt: $debian"
    export DEBIAN_FRONTEND=noninteractive
    # A slow mirror is tried again; a failing one is named by apt itself.
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 update >&2
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 install --no-install-recommends $debian >/dev/null
  elif have brew && [ -n "$brewed" ]; then
    say "Installing with Homebrew: $brewed"
    # shellcheck disable=SC2086
    brew install --quiet $brewed >&2
  elif have apt-get; then
    say ""
    say "They could not be installed from here (not root, and sudo would ask for a password). Please run:"
    say "  sudo apt-get install --no-install-recommends $debian"
    exit 1
  elif [ "$(uname)" = Darwin ]; then
    say ""
    say "Please install Homebrew (https://brew.sh) and Apple's command line tools (xcode-select --install), then run this again."
    exit 1
  else
    say ""
    say "This system has neither apt nor Homebrew. Please install them with your package manager and run this again."
    exit 1
  fi
  for row in "${missing[@]}"; do
    set -- $row
    [ "$1" = python3-venv ] || [ "$1" = sshd ] || [ "$1" = fc-list ] || have "$1" || { say "Still missing after the installation: $1"; exit 1; }
  done
fi

# ---- 3. Python packages, in an environment of our own ---------------------------------------------------
if at_least demo; then
  venv=$cache/venv
  wanted=$(cksum < "$root/tools/requirements.txt")
  if [ "$(cat "$venv/.requirements" 2>/dev/null)" != "$wanted" ]; then
    say "Setting up Python packages in $venv (about half a minute)"
    mkdir -p "$cache"
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --retries 5 -r "$root/tools/requirements.txt" >&2
    printf '%s' "$wanted" > "$venv/.requirements"
  fi
fi

# Servers for tests, apart from the rest: their packages pin versions that nobody else should have to take.
if at_least test; then
  servers=$cache/servers
  wanted=$(cat "$root/tools/servers/package.json" "$root/tools/servers/requirements.txt" "$root/tools/servers/fuzz-requirements.txt" | cksum)
  if [ "$(cat "$servers/.installed" 2>/dev/null)" != "$wanted" ]; then
    say "Installing the test servers of Azure, S3 and WebDAV in $servers (about a minute)"
    mkdir -p "$servers"
    cp "$root/tools/servers/package.json" "$servers/"
    (cd "$servers" && npm install --silent --no-audit --no-fund --omit=dev >&2)
    python3 -m venv --clear "$servers/venv"
    "$servers/venv/bin/pip" install --quiet --disable-pip-version-check --retries 5 -r "$root/tools/servers/requirements.txt" >&2
    python3 -m venv --clear "$servers/fuzz"
    "$servers/fuzz/bin/pip" install --quiet --disable-pip-version-check --retries 5 -r "$root/tools/servers/fuzz-requirements.txt" >&2
    printf '%s' "$wanted" > "$servers/.installed"
  fi
fi

# ---- 4. Rust tools ---------------------------------------------------------------------------------------
if at_least test; then
  # Where this fails, vectors/run-wasm.sh looks for another way.
  if have rustup && [ ! -d "$(rustc --print target-libdir --target wasm32-unknown-unknown 2>/dev/null)" ]; then
    say "Adding the wasm32-unknown-unknown target to the Rust toolchain"
    rustup --quiet target add wasm32-unknown-unknown >&2 || true
  fi
  deny_version=$(cat "$root/tools/cargo-deny.version")
  if ! have cargo-deny && ! [ -x "$cache/tools/bin/cargo-deny" ]; then
    say "Building cargo-deny $deny_version once (checks licences and sources; a few minutes)"
    mkdir -p "$cache/tools"
    # Its own target folder, unoptimised: built for one quick check, in half the time.
    if ! CARGO_TARGET_DIR="$cache/tools/target" cargo install --quiet --locked --debug --config profile.dev.debug=0 \
        --root "$cache/tools" --version "$deny_version" cargo-deny >&2; then
      say "  cargo-deny could not be built; the licence check will be skipped"
    fi
    rm -rf "$cache/tools/target"
  fi
fi

# ---- 5. What to expect ------------------------------------------------------------------------------------
target=${CARGO_TARGET_DIR:-$cache/target}
if [ ! -d "$target" ] || [ -z "$(ls -A "$target" 2>/dev/null)" ]; then
  cores=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
  # Measured on two cores (docs/guide/building.md); the C parts and a few large crates do not spread further than about eight.
  minutes=$(( 24 / (cores < 8 ? cores : 8) )); [ "$minutes" -ge 3 ] || minutes=3
  say "The first build takes about $minutes minutes on $cores cores; later ones take seconds. It goes to $target"
fi
