#!/usr/bin/env bash
# Put the pinned scripts of the console into console/static/vendor, with their licences.
# Only whoever changes a version runs this: what it makes is committed, and nothing is built later.
set -euo pipefail
cd "$(dirname "$0")/vendor_js"
npm ci --ignore-scripts --no-audit --no-fund --silent
vendor=../../console/static/vendor
mkdir -p "$vendor"

licence_of() { # PACKAGE: the file with its licence
  find "node_modules/$1" -maxdepth 1 -iname 'licen[cs]e*' | head -n 1
}

take() { # PACKAGE FILE NAME: a file of a package as it is, and its licence
  cp "node_modules/$1/$2" "$vendor/$3"
  cp "$(licence_of "$1")" "$vendor/$3.LICENSE"
}

bundle() { # ENTRY NAME: many packages as one module, and the licences of all that went into it
  node_modules/.bin/esbuild "$1" --bundle --format=esm --minify --target=es2022 \
    --legal-comments=none --log-level=warning --metafile="$vendor/meta.json" --outfile="$vendor/$2"
  node -e '
    const inputs = Object.keys(require(process.argv[1]).inputs);
    const names = inputs.map((each) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(each)?.[1]);
    console.log([...new Set(names.filter(Boolean))].sort().join("\n"));
  ' "$vendor/meta.json" | while read -r package; do
    echo "== $package"
    cat "$(licence_of "$package")"
  done > "$vendor/$2.LICENSE"
  rm "$vendor/meta.json"
}

take htmx.org dist/htmx.min.js htmx.min.js
take wavesurfer.js dist/wavesurfer.esm.js wavesurfer.esm.js
bundle editor_parts.js codemirror.js

# One line a package: what it is and where it comes from.
node -e '
  const lock = require("./package-lock.json").packages;
  for (const name of Object.keys(require("./package.json").dependencies)) {
    const found = lock["node_modules/" + name];
    console.log(`${name} ${found.version} ${found.license} ${found.integrity}`);
  }
' > "$vendor/VERSIONS"
