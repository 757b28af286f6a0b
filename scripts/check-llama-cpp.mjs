// An adapter that was trained here, in llama.cpp: its log-probabilities are ours. Installs
// node-llama-cpp into a temporary folder. `node scripts/check-llama-cpp.mjs`
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const VERSION = '3.22.1';
const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'recollect-llama-cpp-'));
const TEXT = 'Mia has four cats, and Ravi has nine dogs.';
/** As for these models alone (test/model/llama-cpp.test.ts): of the mean, and of each. */
const f32 = { mean: 0.0005, most: 0.0025 };
const models = [
  { name: 'llama-f32', ...f32 },
  { name: 'qwen2-f32', ...f32 },
  { name: 'qwen3-f32', ...f32 },
  { name: 'llama-q8_0', mean: 0.03, most: 0.16 },
];

const THEIRS = `
import { getLlama, LlamaLogLevel } from 'node-llama-cpp';
const [model, adapter, text] = process.argv.slice(2);
const llama = await getLlama({ gpu: false, build: 'never', logLevel: LlamaLogLevel.error });
const loaded = await llama.loadModel({ modelPath: model });
const context = await loaded.createContext({
  contextSize: 512, threads: 1, flashAttention: false,
  lora: { adapters: [{ filePath: adapter, scale: 1 }] },
});
const all = { temperature: 1, topK: 0, topP: 1, minP: 0 };
const asked = loaded.tokenize(text, true)
  .map((token) => [token, { generateNext: { probabilities: true, options: all } }]);
const steps = await context.getSequence().controlledEvaluate(asked);
const top = steps.map(({ next }) =>
  [...next.probabilities].slice(0, 10).map(([token, p]) => [token, Math.log(p)]));
process.stdout.write(JSON.stringify(top), () => process.exit(0));
`;

const run = (...words) =>
  execFileSync(process.execPath, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
const recollect = (...words) => run(join(root, 'build/js/src/cli/main.js'), ...words);

let [passed, failed] = [0, 0];
try {
  writeFileSync(join(folder, 'package.json'), '{"type":"module","private":true}');
  writeFileSync(join(folder, 'theirs.mjs'), THEIRS);
  const install = ['install', '--no-audit', '--no-fund', '--silent', `node-llama-cpp@${VERSION}`];
  execFileSync('npm', install, { cwd: folder, stdio: 'inherit' });
  const data = join(folder, 'data.jsonl');
  const lines = Array.from({ length: 24 }, (_, i) =>
    JSON.stringify({ text: `Mia has ${i % 5} cats, and Ravi has ${(2 * i) % 7} dogs.` }),
  );
  writeFileSync(data, lines.join('\n'));
  for (const { name, mean, most } of models) {
    const model = join(root, `test/fixtures/${name}.gguf`);
    const adapter = join(folder, `${name}.gguf`);
    const how = ['--data', data, '--out', adapter, '--rank', '4'];
    recollect('train', model, ...how, '--epochs', '6');
    const told = ['--text', TEXT, '--top', '1000000', '--adapter', adapter];
    const ours = JSON.parse(recollect('logits', model, ...told)).top.map((step) => new Map(step));
    const theirs = JSON.parse(run(join(folder, 'theirs.mjs'), model, adapter, TEXT));
    const off = theirs.flatMap((step, t) =>
      step.map(([token, p]) => Math.abs(p - ours[t].get(token))),
    );
    const found = { mean: off.reduce((a, b) => a + b, 0) / off.length, most: Math.max(...off) };
    const fits = theirs.length === ours.length && found.mean <= mean && found.most <= most;
    if (fits) passed++;
    else failed++;
    console.log(
      `${fits ? 'ok  ' : 'FAIL'} ${name}: an adapter of ours in llama.cpp differs by ` +
        `${found.mean.toFixed(5)} in log-probability on average (at most ${mean}), by ` +
        `${found.most.toFixed(5)} at most (${most})`,
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
