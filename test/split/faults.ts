// A split training on a line that loses, repeats, reorders, shortens, changes and delays pieces, and
// breaks: what comes out has the bits of a training in one piece. `node
// build/js/test/split/faults.js 200` makes two hundred faults.
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import type { Side } from '../../src/split/load.ts';
import { faults, faultyWay } from './faulty-way.ts';
import { assertSame, serve, trainedSplit, trainedWhole } from './network.ts';

/** A training that takes longer is stuck. */
const LEAST_MS = 60_000;
const FAULT_MS = 6000;

/** Returns how often the client connected again. */
export async function faultyTraining(count: number, seed: number, labels: Side): Promise<number> {
  const options = { steps: Math.max(8, count), depth: 3, length: 64, batch: 24, heldOut: 0 };
  const whole = await trainedWhole(options);
  const signal = AbortSignal.timeout(LEAST_MS + count * FAULT_MS);
  // trainings whose greeting was lost stay for a while
  const server = await serve({ cut: 1, labels }, { tokens: 512, clients: 32 });
  const way = await faultyWay(server.port, count, seed);
  try {
    const found = await trainedSplit(way.url, { cut: 1, labels }, { ...options, signal });
    assertSame(found, whole, `${count} faults, labels at the ${labels}`);
    assert.is(way.count, count, 'faults while it trained');
    assert.is(way.done.size, Math.min(count, faults.length), [...way.done.keys()].join());
    return found.traffic.reconnects;
  } finally {
    await way.close();
    await server.close();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const count = Number(process.argv[2] ?? 200);
  for (const labels of ['server', 'client'] as const) {
    const again = await faultyTraining(count, Number(process.argv[3] ?? 1), labels);
    console.log(`${count} faults, connected ${again} times again, the same bits (${labels})`);
  }
}
