#!/usr/bin/env bash
# Put the pinned scripts of the console into console/static/vendor, with their licences.
# Only whoever changes a version runs this: what it makes is committed, and nothing is built later.
set -euo pipefail
cd "$(dirname "$0")/vendor_js"
npm ci --ignore-scripts --no-audit --no-fund --silent
vendor=../../console/static/vendor
mkdir -p "$vendor"

take() { # PACKAGE FILE NAME: a file of a package as it is, and its licence
  cp "node_modules/$1/$2" "$vendor/$3"
  local licence
  licence=$(find "node_modules/$1" -maxdepth 1 -iname 'licen[cs]e*' | head -n 1)
  cp "$licence" "$vendor/$3.LICENSE"
}

take htmx.org dist/htmx.min.js htmx.min.js

# One line a file: what it is and where it comes from.
node -e '
  const lock = require("./package-lock.json").packages;
  for (const name of Object.keys(require("./package.json").dependencies)) {
    const found = lock["node_modules/" + name];
    console.log(`${name} ${found.version} ${found.license} ${found.integrity}`);
  }
' > "$vendor/VERSIONS"
