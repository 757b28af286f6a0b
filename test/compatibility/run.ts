// Tries every feature on every architecture, and writes the table:
// `node build/js/test/compatibility/run.js [--only WORD] [--device webgpu] [--write FILE.md]
// [FILE.gguf | FOLDER ...]`, by default all fixtures. A file has figures beside it. What neither
// works nor is refused is told, and fails it.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import '../gpu.ts';
import { documentOf, readDocument, type Tried, withTried } from './document.ts';
import { features } from './features.ts';
import { subjectsIn } from './files.ts';
import { type Outcome, outcomeOf } from './outcome.ts';
import type { Subject } from './subject.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string', default: '' },
    device: { type: 'string' },
    write: { type: 'string' },
  },
});
const wanted = features.filter(({ group, name }) =>
  values.device === undefined
    ? name !== 'webgpu' && `${group} ${name}`.includes(values.only)
    : name === values.device,
);

async function tryAll(subject: Subject): Promise<Tried> {
  const { config } = await subject.model();
  const outcomes = new Map<string, Outcome>();
  for (const feature of wanted) {
    const outcome = await outcomeOf(feature, subject);
    outcomes.set(feature.name, outcome);
    if (outcome.kind !== 'fault') continue;
    process.exitCode = 1;
    console.log(`FAULT ${subject.name}, ${feature.name}: ${outcome.what}`);
  }
  const count = (kind: Outcome['kind']) =>
    [...outcomes.values()].filter((outcome) => outcome.kind === kind).length;
  console.log(`${subject.name}: ${count('works')} work, ${count('refused')} are refused`);
  return { architecture: config.architecture, name: subject.name, outcomes };
}

/** Writes what was tried into the document, whose other cells stay. */
function write(file: string, tried: Tried): void {
  const before = existsSync(file) ? readDocument(readFileSync(file, 'utf8')) : new Map();
  writeFileSync(file, documentOf(withTried(before, [tried])));
}

for (const subject of subjectsIn(positionals)) {
  try {
    const tried = await tryAll(subject);
    if (values.write !== undefined) write(values.write, tried);
  } catch (error) {
    process.exitCode = 1;
    console.log(`FAULT ${subject.name}: ${(error as Error).message}`);
  }
  await subject.dispose();
}
