// A training in two halves is the same training: losses, norms and adapters to the bit.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ProtocolError } from '../../src/errors.ts';
import { loadHalf } from '../../src/split/load.ts';
import { loadModel } from '../../src/engine/model.ts';
import { CodecEnd } from '../../src/split/codec/codec.ts';
import { fixture } from '../fixtures.ts';
import { assertSame, localServer, optionsOf, trainSplit, trainWhole } from './halves.ts';

const test = suite('split/halves');
const STEPS = 4;

for (const name of ['llama-f32.gguf', 'llama-untied-f32.gguf', 'gemma3-swa-f32.gguf'])
  test(`${name}: two halves give the bits of one piece, wherever they are cut`, async () => {
    const path = fixture(name);
    const whole = await trainWhole(path, optionsOf(STEPS));
    assert.ok(whole.losses[STEPS - 1] < whole.losses[0], `it learns: ${whole.losses.join()}`);
    using model = await loadModel(path);
    for (let cut = 0; cut < model.config.layers; cut++)
      for (const labels of ['server', 'client'] as const)
        for (const depth of [1, 3]) {
          const found = await trainSplit(path, { cut, labels }, optionsOf(STEPS, depth));
          assertSame(found, whole, `cut ${cut}, labels at the ${labels}, ${depth} under way`);
        }
  });

test('a half loads its own layers and no more', async () => {
  const path = fixture('llama-untied-f32.gguf');
  using model = await loadModel(path);
  for (const labels of ['server', 'client'] as const) {
    const cut = { cut: 1, labels };
    const halves = [await loadHalf(path, 'client', cut), await loadHalf(path, 'server', cut)];
    const bytes = halves.reduce((sum, { network }) => sum + network.weights.bytes, 0);
    assert.is(bytes, model.bytes);
    for (const half of halves) half.dispose();
  }
});

test('what cannot be asked now is refused, and nothing changes', async () => {
  const path = fixture('llama-f32.gguf');
  const options = optionsOf(STEPS);
  const { ask, half, rooms, model } = await localServer(
    path,
    { cut: 1, labels: 'server' },
    options,
  );
  const shape = { width: model.config.width, mostTokens: options.tokens };
  const frameOf = (count: number) => {
    const end = new CodecEnd(options.codec, shape);
    const name = { kind: 'activations', step: 0, microBatch: 0 } as const;
    return end.encode(new Float32Array(count * shape.width), {
      ...{ ...name, samples: [{ id: 7, count }] },
    });
  };
  const learn = {
    kind: 'learn',
    step: 0,
    batch: 0,
    scale: 1,
    wantsInput: true,
    samples: Int32Array.of(7, 2),
    targets: Int32Array.of(3, 4),
    x: frameOf(2),
  } as const;
  const refused = async (message: Parameters<typeof ask>[0], pattern: RegExp) => {
    const error = await ask(message).then(
      () => undefined,
      (e: unknown) => e as Error,
    );
    assert.instance(error, ProtocolError, String(error));
    assert.match(error!.message, pattern);
  };
  await refused({ ...learn, step: 1 }, /step 1, expected 0/);
  await refused({ ...learn, batch: 1 }, /batch 1, expected 0/);
  await refused({ ...learn, x: frameOf(3) }, /tokens is 3, expected 2/);
  await refused({ ...learn, x: learn.x.subarray(0, 60) }, /frame: length is 60/);
  await refused({ ...learn, samples: Int32Array.of(7, 17) }, /at most 16/);
  await refused({ ...learn, samples: Int32Array.of(7, -1) }, /-1 tokens/);
  await refused({ ...learn, samples: Int32Array.of(7, 2, 8) }, /ids and counts/);
  await refused({ ...learn, targets: Int32Array.of(3, 1e6) }, /target 1000000/);
  await refused({ ...learn, targets: Int32Array.of(3) }, /targets 1, expected 2/);
  await refused({ kind: 'back', step: 0, batch: 0, wantsInput: true, dx: learn.x }, /the server's/);
  await refused({ kind: 'read', parameter: 99 }, /matrix 99/);
  await refused({ kind: 'done' }, /no question/);
  assert.is((await ask(learn)).kind, 'learned');
  half.dispose();
  rooms.dispose();
  model.dispose();
});

test.run();
