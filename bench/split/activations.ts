// What goes over a cut of a model: hidden states behind its first layers, before any training.
import { LearningPass } from '../../src/model/learning.ts';
import { createLearningRoom } from '../../src/model/learning-room.ts';
import type { ModelInput } from '../../src/model/source.ts';
import { shapeOf } from '../../src/split/half.ts';
import { loadHalf } from '../../src/split/load.ts';
import { type Example, packed } from '../../src/train/batches.ts';

/** Tokens of a pass. */
const TOKENS = 512;

/** Hidden states [T, D] of examples behind the first `cut` layers. */
export async function activationsAt(
  input: ModelInput,
  cut: number,
  examples: readonly Example[],
): Promise<{ readonly x: Float32Array; readonly width: number }> {
  const half = await loadHalf(input, 'client', { cut, labels: 'server' }, { threads: 1 });
  const { network } = half;
  const { config, weights, backend } = network;
  const room = createLearningRoom(config, weights, backend, shapeOf(network, TOKENS, 0, false));
  const pass = new LearningPass(network, room, () => undefined);
  const parts: Float32Array[] = [];
  for (const { tokens, sequences } of packed(examples, TOKENS)) {
    pass.forward(tokens, sequences);
    parts.push(await pass.readOutput());
  }
  room.dispose();
  half.dispose();
  const x = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    x.set(part, at);
    at += part.length;
  }
  return { x, width: config.width };
}
