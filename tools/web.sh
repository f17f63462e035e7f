#!/usr/bin/env bash
# The gallery's front end. Its packages live in the cache folder, not in the checkout.
#
#   tools/web.sh build      builds web/dist, which the binary embeds; does nothing when it is newer than its sources
#   tools/web.sh check      types and lint, and whether the types of the API are those of its document (of $SAFELIGHT_BIN, where that is set)
#   tools/web.sh types      writes the API's document and the types made of it, from $SAFELIGHT_BIN; after a change of the server's routes
#   tools/web.sh test       unit tests
#   tools/web.sh e2e        the gallery in a browser against $SAFELIGHT_BIN
#   tools/web.sh can        whether this Node builds it (20.19 or newer); says why not, and ends with 77
#   tools/web.sh mock [N]   a stand-in server with N made-up photos
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cache=${SAFELIGHT_CACHE:-$HOME/.cache/safelight}
export SAFELIGHT_CACHE=$cache
web=$root/web

# npm ci beside a copy of the lock file; the checkout has only a link to what it put there.
packages() {
  local wanted; wanted=$(cksum < "$web/package-lock.json")
  # The mark lies among what it vouches for: an installation that breaks off takes it along.
  local mark=$cache/web/node_modules/.installed
  if [ "$(cat "$mark" 2>/dev/null)" != "$wanted" ]; then
    echo "Installing the packages that build the gallery in $cache/web (about half a minute)" >&2
    mkdir -p "$cache/web"
    cp "$web/package.json" "$web/package-lock.json" "$web/.npmrc" "$cache/web/"
    (cd "$cache/web" && npm ci --ignore-scripts --silent --no-audit --no-fund >&2)
    printf '%s' "$wanted" > "$mark"
  fi
  # A folder that somebody installed here is as good.
  if [ -L "$web/node_modules" ] || [ ! -e "$web/node_modules" ]; then ln -sfn "$cache/web/node_modules" "$web/node_modules"; fi
}

# web/openapi.json is what the server says of itself, web/src/lib/schema.d.ts what is made of it. Both are committed, so that
# the pages are checked without the server; this says whether they still are what they should be.
document() { "$SAFELIGHT_BIN" serve --openapi; }
typed() { npx openapi-typescript openapi.json --alphabetize --empty-objects-unknown --output "$1" >/dev/null; }
types_are_the_servers() {
  local made; made=$(mktemp -d)
  typed "$made/schema.d.ts"
  local wrong=0
  if ! diff -u src/lib/schema.d.ts "$made/schema.d.ts" >&2; then wrong=1; fi
  if [ -n "${SAFELIGHT_BIN:-}" ]; then document > "$made/openapi.json"; diff -u openapi.json "$made/openapi.json" >&2 || wrong=1; fi
  rm -rf "$made"
  if [ $wrong = 1 ]; then echo "The types of the API are not those of the server: SAFELIGHT_BIN=… tools/web.sh types writes them" >&2; fi
  return $wrong
}

can() {
  command -v npm >/dev/null && node -e '
    const [major, minor] = process.versions.node.split(".").map(Number);
    process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)' 2>/dev/null && return 0
  echo "The gallery needs Node 20.19 or newer to be built ($(node --version 2>/dev/null || echo 'there is none') here); https://nodejs.org has it." >&2
  return 77
}

case "${1:-build}" in
  can) can ;;
  build)
    # Everything else works without it, and the gallery's page says what is missing.
    can || exit 0
    newest=$(find "$web" -path "$web/node_modules" -prune -o -path "$web/dist" -prune -o -path "$web/e2e" -prune -o -type f -newer "$web/dist/index.html" -print -quit 2>/dev/null || true)
    if [ -f "$web/dist/index.html" ] && [ -z "$newest" ]; then exit 0; fi
    packages
    (cd "$web" && npx vite build --logLevel warn)
    ;;
  check)
    packages
    cd "$web"
    npx svelte-check --tsconfig ./tsconfig.json --fail-on-warnings
    npx eslint .
    types_are_the_servers
    ;;
  types)
    packages
    cd "$web"
    [ -n "${SAFELIGHT_BIN:-}" ] || { echo "SAFELIGHT_BIN names the program whose API it is" >&2; exit 2; }
    document > openapi.json
    typed src/lib/schema.d.ts
    ;;
  test) packages; cd "$web"; npx vitest run --reporter=default --no-color ;;
  e2e) packages; cd "$web"; node e2e/run.mjs "${@:2}" ;;
  mock) packages; cd "$web"; [ -f dist/index.html ] || npx vite build --logLevel warn; node dev/mock.mjs "${@:2}" ;;
  *) echo "tools/web.sh: build, check, types, test, e2e or mock" >&2; exit 2 ;;
esac
