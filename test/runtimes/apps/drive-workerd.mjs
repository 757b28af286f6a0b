// Runs worker.js in workerd: its arguments are the bundle and a model. Prints what it found as JSON. Needs Node 22.
import { readFileSync } from 'node:fs';
import { Miniflare } from 'miniflare';

const [bundle, model] = process.argv.slice(2);
const start = (compatibilityDate) =>
  new Miniflare({
    modules: [
      { type: 'ESModule', path: 'worker.mjs', contents: readFileSync(bundle, 'utf8') },
      { type: 'Data', path: 'model.gguf', contents: readFileSync(model) },
    ],
    compatibilityDate,
    durableObjects: { TALKER: 'Talker' },
  });
const ask = async (worker, path, options) => {
  const query = options ? `?options=${encodeURIComponent(JSON.stringify(options))}` : '';
  return (await worker.dispatchFetch(`http://worker${path}${query}`)).json();
};

const worker = start('2026-07-01');
const found = {
  auto: await ask(worker, '/'),
  one: await ask(worker, '/', { threads: 1, pipeline: 1 }),
  threads: await ask(worker, '/', { threads: 2 }),
  pipeline: await ask(worker, '/', { pipeline: 2 }),
  path: await ask(worker, '/path'),
  object: await ask(worker, '/object/talk'),
  abort: await ask(worker, '/object/abort'),
};
// a client that leaves in the middle of a reply
const leave = new AbortController();
const url = await worker.ready;
const response = await fetch(new URL('/object/long', url), { signal: leave.signal });
await response.body.getReader().read();
leave.abort();
found.left = await ask(worker, '/object/after');
await worker.dispose();
// before workerd allowed to compile while a Worker starts
const old = start('2025-05-01');
found.old = await ask(old, '/');
await old.dispose();
console.log(JSON.stringify(found));
