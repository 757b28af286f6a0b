#!/usr/bin/env bash
# Node, Deno 2.9.6 and Bun 1.4.5: a program that awaits Atomics.waitAsync ends in the middle of it.
#
# Guess: a wait with a time limit is pending work like a timer or a read, so that the process lives
#        until it is over; at worst the runtime complains of a promise that was never settled.
# Seen:  it holds nothing. Where no timer, handle or referenced worker happens to be alive, the
#        process ends with code 0 while an async function awaits: nothing behind the await is run,
#        finally neither, and nothing is printed. With any timer beside it the wait ends in time.
# Why:   an engine that waits for its wasm threads this way, the threads being unreferenced so that
#        programs can end, loses replies half-way under an exit code that says all went well. It
#        works in every test that has a server or a timer open. Hold a timer or a reference.
# Fails if that changes. Needs Node 20 or newer, npm, and a system that Deno and Bun run on.
. "$(dirname "$0")/lib/alone.sh"
alone deno@2.9.6 bun@1.4.5
cat > wait.mjs <<'JS'
import process from 'node:process';

const view = new Int32Array(new SharedArrayBuffer(4));
async function reply() {
  console.log('waits');
  try {
    console.log(await Atomics.waitAsync(view, 0, 0, 200).value);
  } finally {
    console.log('finally');
  }
}
reply();
if (process.argv[2] === 'timer') setTimeout(() => {}, 2000);
JS
run() {
  local name=$1 status=0 text
  shift
  text=$("$@" 2>&1) || status=$?
  echo "$name: $(echo "$text" | tr '\n' ',') code $status"
}
output=$(
  for beside in nothing timer; do
    run "Node, $beside beside it" node wait.mjs "$beside"
    run "Deno, $beside beside it" npx deno run wait.mjs "$beside"
    run "Bun, $beside beside it" npx bun wait.mjs "$beside"
  done
)
echo "node $(node --version), deno 2.9.6, bun 1.4.5"
echo "$output"
[ "$output" = "Node, nothing beside it: waits, code 0
Deno, nothing beside it: waits, code 0
Bun, nothing beside it: waits, code 0
Node, timer beside it: waits,timed-out,finally, code 0
Deno, timer beside it: waits,timed-out,finally, code 0
Bun, timer beside it: waits,timed-out,finally, code 0" ] ||
  { echo 'this has changed'; exit 1; }
