// The package in whatever runtime runs this file (.ci/run: Deno and Bun), alone, with threads, and
// with layers in workers. The core is tested elsewhere.
import { fileURLToPath } from 'node:url';
import { loadModel, type LoadOptions, openConversation } from '../../src/index.ts';

const model = fileURLToPath(new URL('../../../../models/recollect-tiny.gguf', import.meta.url));
const said =
  "Ravi: The name of Ana's dog is Rex.\nMia: Lovely.\nRavi: As I said, Ana's dog is called Rex.\n";
const ways: Record<string, LoadOptions> = {
  alone: { threads: 1 },
  'two threads': { threads: 2 },
  'a pipeline of two workers': { pipeline: 2 },
};

let passed = 0;
let failed = 0;
for (const [name, options] of Object.entries(ways)) {
  try {
    using loaded = await loadModel(model, options);
    await using conversation = openConversation(loaded, { budget: 128, policy: 'snapkv' });
    await conversation.add(said.repeat(20));
    const reply = await conversation.ask("What is Ana's dog called?").text();
    const { threads, pipeline } = conversation.statistics;
    if (
      reply.trim() !== 'Rex' ||
      threads !== (options.threads ?? 1) ||
      pipeline !== (options.pipeline ?? 1)
    )
      throw new Error(`replied '${reply}' with ${threads} threads, ${pipeline} workers`);
    passed++;
  } catch (error) {
    failed++;
    console.error(`FAIL ${name}: ${(error as Error).stack}`);
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
