// A split training whose connection is cut again and again: no step is lost, none is made twice,
// and what comes out has the bits of a training in one piece. `node build/js/test/split/cuts.js
// 1000` cuts a thousand times.
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import type { Side } from '../../src/split/load.ts';
import { assertSame, breakingWay, serve, trainedSplit, trainedWhole } from './network.ts';

/** Bytes between two cuts, at most: some messages get through between most of them. */
const MOST_BYTES = 1_000_000;
/** A training that takes longer is stuck. */
const LEAST_MS = 60_000;
const CUT_MS = 6000;

/** Returns how often the client connected again. */
export async function cutTraining(cuts: number, seed: number, labels: Side): Promise<number> {
  const options = { steps: Math.max(8, cuts), depth: 3, length: 64, batch: 24, heldOut: 0 };
  const whole = await trainedWhole(options);
  // one who waits for what was lost would wait for ever
  const signal = AbortSignal.timeout(LEAST_MS + cuts * CUT_MS);
  const server = await serve({ cut: 1, labels }, { tokens: 512 });
  const way = await breakingWay(server.port, cuts, MOST_BYTES, seed);
  try {
    const found = await trainedSplit(way.url, { cut: 1, labels }, { ...options, signal });
    assertSame(found, whole, `${cuts} cuts, labels at the ${labels}`);
    assert.is(way.cuts, cuts, 'cuts while it trained');
    assert.ok(found.traffic.reconnects >= cuts - 1, `${found.traffic.reconnects} reconnects`);
    return found.traffic.reconnects;
  } finally {
    await way.close();
    await server.close();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const cuts = Number(process.argv[2] ?? 1000);
  for (const labels of ['server', 'client'] as const) {
    const again = await cutTraining(cuts, Number(process.argv[3] ?? 1), labels);
    console.log(`cut ${cuts} times, connected ${again} times again, the same bits (${labels})`);
  }
}
