#!/usr/bin/env bash
# Shows the whole of Safelight on sample pictures, or on a folder of your own, without asking anything.
#
#   tools/demo.sh [PHOTOS]
#   tools/demo.sh --serve     only opens the gallery of the demo that was made before
#
# The demo library is made afresh each time, in its own folder; PHOTOS are only read. The drawn samples are kept
# and used again.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${SAFELIGHT_CACHE:-$HOME/.cache/safelight}
demo=${SAFELIGHT_DEMO:-$cache/demo}
safelight=${CARGO_TARGET_DIR:-$cache/target}/release/safelight
photos=${1:-}
photos=${photos/#\~/$HOME}

bold='' dim='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; fi
title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain" >&2; }

# One argument as a person would type it in a shell.
typed() {
  case "$1" in
    *[!A-Za-z0-9_./:,=@+-]*) printf " '%s'" "$1" ;;
    *) printf ' %s' "$1" ;;
  esac
}

# Prints the command as a user would type it and runs it. 1 means "done, but something failed, and it was named":
# a demo over other people's files goes on.
run() {
  { printf '%s$ safelight' "$dim"; for word in "$@"; do typed "$word"; done; printf '%s\n' "$plain"; } >&2
  local status=0
  "$safelight" --library "$demo/library" --passphrase-file "$demo/passphrase" "$@" || status=$?
  [ "$status" -le 1 ] || { echo "demo: that ended with exit code $status" >&2; exit "$status"; }
}

if [ "$photos" = --serve ]; then
  [ -x "$safelight" ] && [ -d "$demo/library" ] || { echo "demo: there is no demo library yet; make demo makes one." >&2; exit 4; }
  run serve
  exit
fi

# ---- A folder for the demo, and nothing but the demo ----------------------------------------------------
if [ -e "$demo" ] && [ ! -e "$demo/.safelight-demo" ]; then
  echo "demo: $demo exists and was not made by this demo; set SAFELIGHT_DEMO to another folder." >&2
  exit 5
fi
mkdir -p "$demo"
touch "$demo/.safelight-demo"
rm -rf "$demo/library" "$demo/export" "$demo/recovery.txt" "$demo/passphrase"

if [ -z "$photos" ]; then
  photos=$demo/photos
  wanted=$(cksum < tools/sample_photos.py)
  if [ "$(cat "$demo/.photos" 2>/dev/null)" != "$wanted" ]; then
    title "Drawing some pictures (half a minute, once)"
    rm -rf "$photos"
    "$cache/venv/bin/python" tools/sample_photos.py "$photos"
    printf '%s' "$wanted" > "$demo/.photos"
  fi
elif [ ! -d "$photos" ]; then
  echo "demo: PHOTOS=$photos is no folder." >&2
  exit 2
fi

title "A new library, with a throwaway passphrase"
(umask 077; head -c 18 /dev/urandom | base64 > "$demo/passphrase")
echo "The passphrase is in $demo/passphrase and the 24 recovery words go to $demo/recovery.txt;"
echo "both can be read by you alone. That is fine for a demo and for nothing else."
run init --recovery-file "$demo/recovery.txt"

title "Import"
run import "$photos"

title "Import again: nothing has changed, so nothing is read"
run import "$photos"

title "Search"
if [ "$photos" = "$demo/photos" ]; then
  run list "place:Paris"
  run list "camera:Fujifilm rating:>=3"
  run list "date:2023-04 -tag:flowers"
  run list "type:video"
else
  run list "type:video" -n 12
  run list "has:gps" -n 12
fi

title "Is everything there, and still what it was?"
run verify

title "Leave, with everything, in the open"
run export "$demo/export"
run verify --export "$demo/export"

title "What a thief sees"
printf '%s$ find %s/library -type f | head -24%s\n' "$dim" "$demo" "$plain"
(cd "$demo/library" && find . -type f | LC_ALL=C sort | head -24 | sed 's|^\./|  |')
echo "  ... $(find "$demo/library" -type f | wc -l | tr -d ' ') files, $(du -sh "$demo/library" | cut -f1) in all"

title "Status"
run status

title "The library"
run list -n 60

title "Try next"
cat <<TEXT
  make gallery           # the gallery of this library in your browser
  export PATH="$(dirname "$safelight"):\$PATH"
  export SAFELIGHT_PASSPHRASE_FILE="$demo/passphrase"
  safelight --library "$demo/library" list 'near:48.85,2.35,10km'
  safelight --library "$demo/library" list 'is:duplicate'
  safelight --library "$demo/library" show "$(basename "$(find "$photos" -type f -iname '*.jp*g' 2>/dev/null | LC_ALL=C sort | head -1)")"
  safelight --library "$demo/library" history
  make clean-demo        # removes $demo
TEXT

# A person at a terminal sees the photos at once; a script goes on.
if [ -t 0 ] && [ -t 1 ]; then
  title "The gallery; Ctrl-C ends it"
  run serve
fi
