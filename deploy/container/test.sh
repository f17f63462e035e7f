#!/usr/bin/env bash
# Lays out the container's root filesystem from a built program and runs it with bubblewrap: read-only, not as root, without
# capabilities and without a network. The last line is: N passed, N failed, N skipped
#
#   SAFELIGHT_BIN=PROGRAM deploy/container/test.sh
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=${SAFELIGHT_BIN:?SAFELIGHT_BIN names the program}
passed=0 failed=0 skipped=0
ok() { passed=$((passed + 1)); printf 'ok: %s\n' "$*"; }
bad() { failed=$((failed + 1)); printf 'FAILED: %s\n' "$*"; }
is() { local name=$1; shift; if "$@" > "$work/said" 2>&1; then ok "$name"; else bad "$name"; tail -n 20 "$work/said"; fi; }
# isnt NAME WORDS COMMAND…: the command fails, and says these words.
isnt() { local name=$1 words=$2; shift 2; if ! "$@" > "$work/said" 2>&1 && grep -qi "$words" "$work/said"; then ok "$name"; else bad "$name"; tail -n 20 "$work/said"; fi; }
skip() { skipped=$((skipped + 1)); printf 'skipped: %s\n' "$*"; }
end() { printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"; [ "$failed" = 0 ]; exit; }

[ "$(uname)" = Linux ] || { skip "containers are of Linux"; end; }
for needed in bwrap ldd python3; do command -v "$needed" >/dev/null || { skip "there is no $needed here: the container was not run"; end; }; done
work=$(mktemp -d "${TMPDIR:-/tmp}/safelight-container.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root
is "the root filesystem is laid out" "$here/rootfs.sh" "$program" "$root"
mkdir "$work/data" "$work/photos"
"$here/../picture.py" "$work/photos/one.png" "$work/photos/two.png"
secrets=$work/secrets; mkdir -m 700 "$secrets"
(umask 077; head -c 24 /dev/urandom | base64 > "$secrets/passphrase"; head -c 64 /dev/urandom > "$secrets/safelight.key")

# What the Containerfile sets, read out of it.
mapfile -t variables < <(sed -n 's/^ENV HOME/HOME/p' "$here/Containerfile" | tr ' ' '\n')
user=$(sed -n 's/^USER //p' "$here/Containerfile")
in_container() {
  local settings=() variable
  for variable in "${variables[@]}"; do settings+=(--setenv "${variable%%=*}" "${variable#*=}"); done
  bwrap --unshare-all --uid "${user%:*}" --gid "${user#*:}" --cap-drop ALL --die-with-parent --new-session --clearenv "${settings[@]}" \
    --ro-bind "$root" / --proc /proc --dev /dev --tmpfs /tmp --bind "$work/data" /data --ro-bind "$work/photos" /photos \
    --ro-bind "$secrets" /run/secrets /usr/bin/safelight "$@" < /dev/null
}
if ! bwrap --unshare-all --ro-bind / / /bin/true 2> "$work/said"; then
  skip "bubblewrap does not run here ($(head -n 1 "$work/said")): the container was not run"; end
fi
is "it says its version" in_container --version
is "a library is made, which the key file opens" in_container --passphrase-file /run/secrets/passphrase init --recovery-file /data/words
rm "$secrets/passphrase"
isnt "the health check fails while there is no remote" "no remote" in_container status --check --synced-within 3d
is "pictures are watched" in_container source add /photos
mkdir "$work/data/nas"
is "a remote is added" in_container remote add nas folder:/data/nas
is "one run imports and syncs" in_container sync --import
in_container --json status > "$work/status" 2>/dev/null
is "both pictures are safe in two places, and workers have decoded them" python3 -c '
import json, sys
status = json.load(open(sys.argv[1]))
assert (status["safe"], status["places"], status["undecodable"], status["previews_pending"]) == (2, 2, 0, 0), status' "$work/status"
health=$(sed -n 's/^HEALTHCHECK.* CMD //p' "$here/Containerfile")
mapfile -t check < <(python3 -c 'import json, sys; print("\n".join(json.loads(sys.argv[1])[1:]))' "$health")
is "the health check of the Containerfile is content" in_container "${check[@]}"
isnt "nothing is written outside of /data and /tmp" "read-only file system" in_container status --prometheus /etc/safelight.prom
is "what it says on stderr is JSON, as the Containerfile sets it" python3 -c '
import json, sys
lines = [json.loads(line) for line in sys.argv[1].splitlines()]
assert lines and all(line["time"] and line["level"] and line["message"] for line in lines), lines' "$(in_container show nothing 2>&1)"
is "there is no shell in it, and no other program" test "$(find "$root" -type f -path '*bin/*' | wc -l)" = 1
is "nothing in it is writable by others but /tmp" test -z "$(find "$root" -mindepth 1 -perm -o+w -not -type l -not -path "$root/tmp")"
printf 'the root filesystem has %s, %s of it the program\n' "$(du -sh "$root" | cut -f 1)" "$(du -h "$root/usr/bin/safelight" | cut -f 1)"
end
