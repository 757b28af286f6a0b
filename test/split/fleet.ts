// Two servers with one store and four clients, each a process of its own: one server is killed, and
// all four end with the bits of undisturbed trainings. `node build/js/test/split/fleet.js`: with a
// folder, and with Redis where it is installed.
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { Fleet } from './processes.ts';
import { noRedis, redisProgram, startRedis } from './store/redis.ts';

const CLIENTS = [0, 1, 2, 3];
const SEEDS = [1, 2];
const seedOf = (client: number) => SEEDS[client >> 1];

async function killOne(store?: string): Promise<void> {
  const fleet = await Fleet.open(12, store);
  try {
    const expected = await fleet.undisturbed(SEEDS);
    const clients = CLIENTS.map((i) => fleet.train(`client-${i}`, seedOf(i), i % 2));
    const begun = async () =>
      (await Promise.all(CLIENTS.map((i) => fleet.hasBegun(`client-${i}`)))).every(Boolean);
    const failed = Promise.race(clients.map(({ ended }) => ended));
    while (!(await begun())) await Promise.race([sleep(10), failed]);
    await fleet.kill(0);
    const ends = await Promise.all(clients.map(({ ended }) => ended));
    assert.equal(ends, Array<string>(CLIENTS.length).fill('trained'));
    for (const i of CLIENTS) {
      const found = await fleet.take(`client-${i}`);
      assert.ok(found.equals(expected.get(seedOf(i))!), `client ${i} has other bits`);
    }
  } finally {
    await fleet.close();
  }
}

await killOne();
console.log('a server of two with a folder was killed: four clients ended with the same bits');
const redis = redisProgram();
if (redis === undefined) console.log(`skipped with Redis: ${noRedis}`);
else {
  const store = await startRedis(redis);
  try {
    await killOne(store.url);
  } finally {
    await store.close();
  }
  console.log('a server of two with Redis was killed: four clients ended with the same bits');
}
