// A training that is killed again and again goes on from its checkpoint: no step is lost, none is
// done twice, and what comes out has the bits of one that nobody killed. `node
// build/js/test/train/kills.js 100` kills a hundred times.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { createRandom } from '../../src/math/rng.ts';
import { fixture } from '../fixtures.ts';

const program = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
/** Enough that a training is killed in its steps, and not only before and behind them. */
const STEPS = 150;

const linesOf = (count: number) =>
  Array.from({ length: count }, (_, i) =>
    JSON.stringify({ text: `Line ${i}: Mia has ${i % 7} cats and Ravi has ${(3 * i) % 11} dogs.` }),
  ).join('\n');

function start(folder: string, name: string): { child: ChildProcess; ended: Promise<number> } {
  const words = ['train', fixture('llama-q8_0.gguf'), '--data', join(folder, 'data.jsonl')];
  const files = ['--out', join(folder, `${name}.gguf`), '--json', join(folder, `${name}.json`)];
  const kept = ['--checkpoint', join(folder, `${name}.training`)];
  const how = ['--steps', String(STEPS), '--batch', '4', '--rank', '4', '--threads', '1'];
  const child = spawn(process.execPath, [program, ...words, ...files, ...kept, ...how], {
    stdio: 'ignore',
  });
  const ended = new Promise<number>((resolve) => child.on('exit', (code) => resolve(code ?? -1)));
  return { child, ended };
}

/** Kills come so long behind a start, or behind a step. */
const START_MS = 500;
const STEPS_MS = 40;

/** Resolves once a file is another than it was: true, or the process' exit code before that. */
async function changed(path: string, ended: Promise<number>): Promise<true | number> {
  const timeOf = () => (existsSync(path) ? statSync(path).mtimeMs : 0);
  const before = timeOf();
  let code: number | undefined;
  void ended.then((c) => (code = c));
  while (timeOf() === before && code === undefined) await wait(2);
  return code ?? true;
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Kills a training `kills` times, at times drawn from a seed; returns how often it was in steps. */
export async function killTraining(kills: number, seed: number): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'recollect-kills-'));
  try {
    writeFileSync(join(folder, 'data.jsonl'), linesOf(30));
    assert.is(await start(folder, 'whole').ended, 0);
    const random = createRandom(seed);
    let inSteps = 0;
    for (let kill = 0; kill < kills; kill++) {
      const { child, ended } = start(folder, 'killed');
      const checkpoint = join(folder, 'killed.training');
      const stepped = kill % 5 > 0 && changed(checkpoint, ended);
      const code = await Promise.race([ended, stepped || wait(random() * START_MS)]);
      if (stepped && code === true) {
        inSteps++;
        await wait(random() * STEPS_MS);
      }
      child.kill('SIGKILL');
      // one that came to its end begins again, so that there is something left to kill
      if ((await ended) === 0) rmSync(checkpoint, { force: true });
    }
    assert.is(await start(folder, 'killed').ended, 0);
    const bytes = (name: string) => readFileSync(join(folder, name));
    const losses = (name: string) =>
      (JSON.parse(bytes(`${name}.json`).toString()) as { losses: number[] }).losses;
    assert.is(losses('killed').length, STEPS);
    assert.equal(losses('killed'), losses('whole'));
    assert.ok(bytes('killed.gguf').equals(bytes('whole.gguf')), 'the adapters differ');
    return inSteps;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const kills = Number(process.argv[2] ?? 100);
  const inSteps = await killTraining(kills, Number(process.argv[3] ?? 1));
  console.log(`killed ${kills} times, ${inSteps} of them with steps done: the same bits`);
}
