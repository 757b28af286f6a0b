// Rotations of kept keys: the tables that a device turns them by are the rotations that others are
// given one by one, and take the memory that was planned.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { LocalExecutor } from '../../src/engine/executor.ts';
import { loadModel, type Model } from '../../src/engine/model.ts';
import { turnBytes, Turns } from '../../src/engine/turns.ts';
import { attentionIn } from '../../src/model/blocks/registry.ts';
import type { Transformer } from '../../src/model/transformer.ts';
import { createRandom } from '../../src/math/rng.ts';
import { fixture } from '../fixtures.ts';

const FARTHEST = 200_000;
const random = createRandom(1);
const shifts = [1, 2, 255, 256, 257, 1000, 65_536, 131_071, FARTHEST].concat(
  Array.from({ length: 20 }, () => 1 + Math.floor(random() * FARTHEST)),
);

const test = suite<{ model: Model; device: Transformer; writes: () => number }>('turns');
test.before(async (context) => {
  context.model = await loadModel(fixture('gemma3-swa-f32.gguf'), { threads: 1 });
  const { transformer } = context.model.executor as LocalExecutor;
  const { backend, config } = transformer;
  let writes = 0;
  context.device = {
    ...transformer,
    config: { ...config, contextLength: FARTHEST + 1 },
    backend: {
      ...backend,
      limits: { ...backend.limits, turns: 'tables' },
      write(address, data) {
        writes++;
        backend.write(address, data);
      },
    },
  };
  context.writes = () => writes;
});
test.after(({ model }) => model.dispose());

test('two tables turn by any difference of positions', async ({ device }) => {
  const { backend, config, rotaries, weights } = device;
  const turns = new Turns(device, 8, 0);
  const ropes = new Set<number>();
  for (const layer of weights.layers.keys()) {
    const { low, high, rotated } = turns.tablesOf(layer)!;
    const rope = attentionIn(config.layerSpecs[layer])!.rope!;
    if (ropes.has(rope)) continue;
    ropes.add(rope);
    const half = rotated / 2;
    const direct = backend.arena.allocate(rotated * 4);
    const rowOf = (table: number, i: number) =>
      backend.readFloats(table + i * rotated * 4, rotated);
    for (const shift of shifts.flatMap((s) => [s, -s])) {
      const far = Math.abs(shift);
      const [a, b] = [await rowOf(low, far % 256), await rowOf(high, Math.floor(far / 256))];
      rotaries[rope].writeTurns(backend, direct, shift, 1);
      const wanted = await backend.readFloats(direct, rotated);
      for (let j = 0; j < half; j++) {
        const [aCos, aSin, bCos, bSin] = [a[j], a[half + j], b[j], b[half + j]];
        const cos = aCos * bCos - aSin * bSin;
        const sin = (aSin * bCos + aCos * bSin) * Math.sign(shift);
        const off = Math.max(Math.abs(cos - wanted[j]), Math.abs(sin - wanted[half + j]));
        assert.ok(off <= 1e-6, `rope ${rope}, by ${shift}, angle ${j}: off by ${off}`);
      }
    }
    backend.arena.free(direct);
  }
  assert.is(ropes.size, config.ropes.length);
  turns.dispose();
});

test('they are written once, and lie where they were planned', ({ device, writes }) => {
  const { backend, config, weights } = device;
  const { usedBytes } = backend.arena;
  const before = writes();
  const turns = new Turns(device, 8, 0);
  assert.is(writes(), before);
  for (let i = 0; i < 2; i++) for (const layer of weights.layers.keys()) turns.tablesOf(layer);
  assert.is(writes() - before, 2 * config.ropes.length);
  const planned = turnBytes(config, backend, 0);
  assert.is(backend.arena.usedBytes - usedBytes, Math.ceil(planned / 64) * 64);
  const rows = 256 + Math.ceil(config.contextLength / 256);
  assert.is(
    planned,
    config.ropes.reduce((sum, { dims }) => sum + rows * dims * 4, 0),
  );
  turns.dispose();
});
test.run();
