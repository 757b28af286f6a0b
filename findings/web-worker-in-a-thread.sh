#!/usr/bin/env bash
# web-worker 1.5.0 on Node cannot be imported in a thread that was started without workerData.
#
# Guess: importing a package that offers a Worker does nothing by itself, wherever it happens.
# Seen:  the package takes every thread for one of its own and reads workerData at once. In a plain node:worker_threads thread the import throws a
#        TypeError; with any workerData it succeeds. A library that imports it at its top cannot be used in its users' threads.
# Fails if that changes. Needs Node 20 or newer and npm.
. "$(dirname "$0")/lib/alone.sh"
alone web-worker@1.5.0
cat > import.mjs <<'JS'
import { Worker } from 'node:worker_threads';

const code = `
  const { parentPort } = require('node:worker_threads');
  const say = (text) => parentPort.postMessage(text);
  import('web-worker').then((module) => say('imported a ' + typeof module.default), (error) => say(error.name));`;
const told = (options) =>
  new Promise((resolve, reject) => {
    const thread = new Worker(code, { eval: true, ...options });
    thread.on('message', resolve);
    thread.on('error', reject);
  });
console.log(`without workerData: ${await told({})}`);
console.log(`with workerData: ${await told({ workerData: { anything: 1 } })}`);
JS
output=$(node import.mjs)
echo "node $(node --version), web-worker 1.5.0"
echo "$output"
[ "$output" = "without workerData: TypeError
with workerData: imported a function" ] || { echo 'this has changed'; exit 1; }
