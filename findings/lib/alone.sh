# What each finding begins with: `alone PACKAGE...` goes into an empty folder, which goes away with
# the script, and installs what npm's registry has of these names. `$lib` is the folder of this file.
set -eu
lib=$(cd "$(dirname "$0")/lib" && pwd)

alone() {
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  cd "$folder"
  npm init -y >/dev/null
  npm install --no-audit --no-fund --silent "$@"
}
