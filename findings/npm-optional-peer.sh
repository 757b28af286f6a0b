#!/usr/bin/env bash
# npm 11.19.1: a project's own optional peer cannot be installed by asking for it, once there is a
# lock file.
#
# Guess: `npm install PACKAGE@VERSION` puts the package into node_modules, whatever package.json says
#        of it; --no-save does the same and writes nothing down.
# Seen:  where package.json names it as an optional peer and a lock file is there, both say "up to
#        date", succeed, and install nothing. Without --no-save the peer's range in package.json is
#        overwritten by the version that was asked for. Without a lock file both install it.
# Why:   a library that tests against its optional peer (WebGPU for Node, a database's client) skips
#        those tests on every machine that begins with npm ci, and says nothing is wrong. recollect
#        installs it into another folder and copies it (scripts/add-webgpu.mjs).
# Fails if that changes. Needs Node 20 or newer and npm.
. "$(dirname "$0")/lib/alone.sh"
alone npm@11.19.1
npm() { "$folder/node_modules/.bin/npm" "$@" --no-audit --no-fund --loglevel=error; }
mkdir library
cd library
cat > package.json <<'JSON'
{
  "name": "library",
  "version": "1.0.0",
  "peerDependencies": { "stemmer": ">=2" },
  "peerDependenciesMeta": { "stemmer": { "optional": true } }
}
JSON
installed() { if [ -e node_modules/stemmer ]; then echo yes; else echo no; fi; }
range() { node -p 'require("./package.json").peerDependencies.stemmer'; }
told() { echo "$1: exit $2, installed $(installed), range $(range)"; }
output=$(
  npm install --no-save stemmer@2.0.1 > said && told 'no lock file' $?
  rm -rf node_modules
  npm install > said && told 'lock file made' $?
  npm install --no-save stemmer@2.0.1 > said && told 'asked for, not saved' $?
  grep -q 'up to date' said && echo 'up to date'
  npm install stemmer@2.0.1 > said && told 'asked for' $?
)
echo "node $(node --version), npm 11.19.1"
echo "$output"
[ "$output" = "no lock file: exit 0, installed yes, range >=2
lock file made: exit 0, installed no, range >=2
asked for, not saved: exit 0, installed no, range >=2
up to date
asked for: exit 0, installed no, range 2.0.1" ] ||
  { echo 'this has changed'; exit 1; }
