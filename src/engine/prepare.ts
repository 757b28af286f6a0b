// What a device compiles is compiled while a model loads, not when the first token waits for it.
import { everything } from './everything.ts';
import type { LocalExecutor } from './executor.ts';
import { planRun } from './plan.ts';
import { Stage } from './stage.ts';

/** Tokens of a block: enough for the kernels of long ones. */
const BLOCK = 16;

/**
 * Compiles what a block, a token behind it and a draw need, where that takes time. (What a policy
 * needs follows with its first step.)
 */
export async function prepare(
  executor: LocalExecutor,
  onProgress: (ready: number, of: number) => void,
): Promise<void> {
  const { transformer, backend, config } = executor;
  if (!backend.prepare) return;
  const blockSize = Math.min(BLOCK, config.contextLength >> 1);
  const plan = planRun(executor, { ...everything, budget: { tokens: BLOCK + 1 }, blockSize });
  await backend.prepare(() => {
    const stage = new Stage(transformer, plan);
    try {
      const block = new Array<number>(blockSize).fill(0);
      void stage.append(block, { position: 0, token: 0 });
      const greedy = { temperature: 0, topK: 0, topP: 1, minP: 0 };
      const place = { position: blockSize, token: blockSize };
      if (config.layerInputs) {
        // (tokens that a device drew have none)
        void stage.append([0], place);
        void stage.logits(0);
      } else void stage.draw(blockSize - 1, greedy, [0], place, true);
    } finally {
      stage.dispose();
    }
  }, onProgress);
}
