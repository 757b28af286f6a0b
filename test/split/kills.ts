// Four split trainings at two servers with one store, of which processes are killed at random
// moments, each started again at once: what comes out has the bits of undisturbed trainings.
// `node build/js/test/split/kills.js 100 [redis://HOST:PORT]` kills a hundred times.
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { createRandom } from '../../src/math/rng.ts';
import { type ClientProcess, Fleet } from './processes.ts';

const STEPS = 40;
const SEEDS = [1, 2];
const CLIENTS = 4;
/** Time between two kills, at most. */
const MOST_MS = 800;

const [kills = '100', store] = process.argv.slice(2);
const random = createRandom(1);
const fleet = await Fleet.open(STEPS, store);
try {
  const expected = await fleet.undisturbed(SEEDS);
  const clients: ClientProcess[] = [];
  const seedOf = (i: number) => SEEDS[i % SEEDS.length];
  const start = (i: number) => (clients[i] = fleet.train(`client-${i}`, seedOf(i), i >> 1));
  let trained = 0;
  const killed = { servers: 0, clients: 0 };

  /** Starts a client again and again, until there is nothing left to kill; then to its end. */
  const follow = async (i: number) => {
    for (;;) {
      if ((await start(i).ended) === 'killed') continue;
      const found = await fleet.take(`client-${i}`);
      assert.ok(found.equals(expected.get(seedOf(i))!), `client ${i} has other bits`);
      trained++;
      if (killed.servers + killed.clients >= Number(kills)) return;
    }
  };
  const all = Promise.all(Array.from({ length: CLIENTS }, (_, i) => follow(i)));
  all.catch(() => undefined);
  const kill = async () => {
    while (killed.servers + killed.clients < Number(kills)) {
      await sleep(random() * MOST_MS);
      const victim = Math.floor(random() * (CLIENTS + 2));
      if (victim < CLIENTS) {
        killed.clients++;
        await clients[victim].kill();
      } else {
        killed.servers++;
        await (
          await fleet.kill(victim - CLIENTS)
        )();
      }
    }
  };
  await Promise.race([kill(), all]);
  await all;
  console.log(
    `${killed.servers} servers and ${killed.clients} clients killed: ${trained} trainings ended, ` +
      `with the same bits`,
  );
} finally {
  await fleet.close();
}
