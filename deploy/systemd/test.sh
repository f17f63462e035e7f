#!/usr/bin/env bash
# Tries the units of this folder, and those that safelight service install makes of them. The last line is
#   N passed, N failed, N skipped
#
#   SAFELIGHT_BIN=PROGRAM deploy/systemd/test.sh
#
# Everywhere: systemd-analyze verifies them, and finds their exposure to be 2.0 at most. Where root and systemd-nspawn are there
# (Debian: systemd-container), a real systemd is booted in an overlay of this machine, without a network, and runs them:
# boot.sh beside this file is what happens in it. Nothing of this machine is changed.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=${SAFELIGHT_BIN:?SAFELIGHT_BIN names the program}
passed=0 failed=0 skipped=0
ok() { passed=$((passed + 1)); printf 'ok: %s\n' "$*"; }
bad() { failed=$((failed + 1)); printf 'FAILED: %s\n' "$*"; }
skip() { skipped=$((skipped + 1)); printf 'skipped: %s\n' "$*"; }
end() { printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"; [ "$failed" = 0 ]; exit; }

command -v systemd-analyze >/dev/null || { skip "there is no systemd-analyze here: nothing of the units was tried"; end; }

memory=/dev/shm; [ -w "$memory" ] || memory=${TMPDIR:-/tmp}
work=$(mktemp -d "$memory/safelight-units.XXXXXX"); chmod 755 "$work"
booted=
tidy() { [ -z "$booted" ] || kill -KILL "$booted" 2>/dev/null; mountpoint -q "$work/root" && umount "$work/root"; rm -rf "$work"; }
trap tidy EXIT
trap 'exit 1' INT TERM

# ---- 1. what systemd says of the texts ------------------------------------------------------------------
# The program and the command on failure need not be where the units expect them.
as_here() { # FROM TO
  mkdir -p "$2"
  for unit in "$1"/*.service "$1"/*.timer; do
    sed -e "s|^ExecStart=/usr/bin/safelight |ExecStart=$program |" -e 's|^ExecStart=%E/safelight/on-failure|ExecStart=/bin/true|' \
      "$unit" > "$2/${unit##*/}"
  done
}
verify() { # NAME FOLDER [--user]
  local name=$1 folder=$2 said; shift 2
  said=$(cd "$folder" && XDG_RUNTIME_DIR="$work" systemd-analyze verify --man=no "$@" ./*.service ./*.timer 2>&1); local status=$?
  # What is wrong with the units of this machine is none of ours.
  said=$(grep -a "safelight" <<<"$said" | grep -v "Special user nobody")
  if [ "$status" = 0 ] && [ -z "$said" ]; then ok "$name: systemd-analyze verify"
  else bad "$name: systemd-analyze verify says ($status): $said"; fi
}
exposed() { # NAME FOLDER
  local unit said
  for unit in "$2"/*.service; do
    if said=$(systemd-analyze security --offline=true --threshold=20 "$unit" 2>&1); then
      ok "$1: ${unit##*/} is exposed by $(grep -ao 'Overall exposure.*: [0-9.]*' <<<"$said" | grep -o '[0-9.]*$') of at most 2.0"
    else bad "$1: ${unit##*/}: $(tail -n 1 <<<"$said")"; fi
  done
}
as_here "$here" "$work/deployed"
verify "units of this folder" "$work/deployed"
exposed "units of this folder" "$work/deployed"

library=$work/library
(umask 077; head -c 64 /dev/urandom > "$work/key"; head -c 24 /dev/urandom | base64 > "$work/passphrase")
safelight() { env -i PATH="$PATH" HOME="$work" "$program" --library "$library" --key-file "$work/key" "$@"; }
if env -i PATH="$PATH" HOME="$work" "$program" --library "$library" --passphrase-file "$work/passphrase" --quiet init --recovery-file "$work/words" &&
  env -i PATH="$PATH" HOME="$work" "$program" --library "$library" --passphrase-file "$work/passphrase" --quiet key add --new-key-file "$work/key" --label timer &&
  safelight --quiet service install --system --write "$work/system" --backup "$work" >/dev/null &&
  safelight --quiet service install --write "$work/user" >/dev/null; then
  as_here "$work/system" "$work/system-here"
  as_here "$work/user" "$work/user-here"
  verify "units that install writes for the machine" "$work/system-here"
  exposed "units that install writes for the machine" "$work/system-here"
  verify "units that install writes for a user" "$work/user-here" --user
else bad "safelight service install --write"; fi

# ---- 2. a real systemd ------------------------------------------------------------------------------------
[ "$(id -u)" = 0 ] || { skip "booting a systemd takes root: the units were not run"; end; }
command -v systemd-nspawn >/dev/null || { skip "there is no systemd-nspawn here (Debian: systemd-container): the units were not run"; end; }
grep -qi microsoft /proc/sys/kernel/osrelease && { skip "systemd-nspawn does not boot under WSL: the units were not run"; end; }

command -v python3 >/dev/null || { skip "there is no Python that draws pictures: the units were not run"; end; }

root=$work/root
mkdir -p "$root" "$work/upper" "$work/rest"
if ! said=$(mount -t overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/rest" overlay "$root" 2>&1); then
  skip "no overlay of / can be mounted here ($said): the units were not run"; end
fi
inside() { systemd-nspawn --quiet --register=no --keep-unit --private-network --directory="$root" "$@" < /dev/null; }
if ! said=$(inside /bin/true 2>&1); then
  skip "systemd-nspawn does not run here (${said##*$'\n'}): the units were not run"; end
fi

try=$root/safelight-test
mkdir -p "$try/pictures" "$root/etc/systemd/system"
"$here/../picture.py" "$try/pictures"/{one,two,three,four}.png
cp "$here"/*.service "$here"/*.timer "$here/boot.sh" "$try/"
install -m 755 "$program" "$root/usr/bin/safelight"
# Not the first boot of a machine, with nobody to ask, and without what this machine runs.
tr -d - < /proc/sys/kernel/random/uuid > "$root/etc/machine-id"
for unit in systemd-networkd.service systemd-networkd.socket systemd-networkd-wait-online.service NetworkManager-wait-online.service \
  systemd-timesyncd.service systemd-firstboot.service ssh.socket; do ln -sf /dev/null "$root/etc/systemd/system/$unit"; done
cat > "$root/etc/systemd/system/safelight-test.service" <<'UNIT'
[Unit]
Description=Tries the units of Safelight
[Service]
Type=oneshot
TimeoutStartSec=infinity
ExecStart=/bin/bash /safelight-test/boot.sh
StandardOutput=file:/safelight-test/out
StandardError=file:/safelight-test/said
ExecStopPost=+/bin/systemctl --no-block exit 0
UNIT
systemd-nspawn --quiet --register=no --keep-unit --private-network --directory="$root" --boot \
  systemd.unit=safelight-test.service systemd.log_target=console < /dev/null > "$work/console" 2>&1 &
booted=$!
# It is ended once all was tried, since the end of a machine may wait for much that is none of ours.
for _ in $(seq 600); do
  kill -0 "$booted" 2>/dev/null || break
  grep -q '^ended' "$try/out" 2>/dev/null && break
  sleep 0.5
done
kill "$booted" 2>/dev/null
for _ in $(seq 40); do kill -0 "$booted" 2>/dev/null || break; sleep 0.5; done
kill -KILL "$booted" 2>/dev/null; wait "$booted" 2>/dev/null
booted=
if ! grep -q '^booted' "$try/out" 2>/dev/null; then
  tail -n 5 "$work/console"
  skip "no systemd booted here: the units were not run"; end
fi
cat "$try/out"
passed=$((passed + $(grep -c '^ok: ' "$try/out"))) failed=$((failed + $(grep -c '^FAILED: ' "$try/out")))
skipped=$((skipped + $(grep -c '^skipped: ' "$try/out")))
if ! grep -q '^ended' "$try/out"; then bad "what happens in the booted systemd did not come to its end"; fi
grep -q '^FAILED: \|^skipped: ' "$try/out" && tail -n 60 "$try/said"
end
