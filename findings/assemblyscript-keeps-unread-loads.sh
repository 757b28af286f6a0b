#!/usr/bin/env bash
# AssemblyScript 0.28.20: a load whose value nobody reads stays, at every level.
#
# Guess: a statement load<u8>(p), and a constant that is loaded and never used, are dead code, which
#        -O3 and -Oz remove; two loads of the same place become one.
# Seen:  only the last is so, and at -O3 alone. Loads whose value is dropped stay at -O1, -O3
#        and -Oz: a load may trap, so it counts as an effect, as it does for the engine that runs it.
# Why:   it makes the one prefetch that WebAssembly has: an address is asked for by a load that
#        nothing waits for. And a vector that a kernel loads in front of a branch which does not need
#        it is paid for: what is not used must not be loaded.
# Fails if that changes. Needs Node 20 or newer and npm.
. "$(dirname "$0")/lib/alone.sh"
alone assemblyscript@0.28.20
cat > loads.ts <<'TS'
export function dropped(p: usize): void { load<u8>(p); }
export function unused(p: usize): i32 { const x = load<i32>(p); return 7; }
export function twice(p: usize): i32 { return load<i32>(p) + load<i32>(p); }
TS
output=$(for level in -O1 -O3 -Oz; do
  npx asc loads.ts --runtime stub $level -t loads.wat
  echo "$level: $(grep -c load8 loads.wat) dropped, $(grep -c 'i32.load$' loads.wat) others"
done)
echo "node $(node --version), assemblyscript 0.28.20"
echo "$output"
[ "$output" = "-O1: 1 dropped, 3 others
-O3: 1 dropped, 2 others
-Oz: 1 dropped, 3 others" ] || { echo 'this has changed'; exit 1; }
