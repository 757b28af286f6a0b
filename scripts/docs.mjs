// Writes the parts of docs/ that follow from the sources: the tables of options. `npm run docs`.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parts, withPart } from '../build/js/test/house/option-docs.js';

const root = fileURLToPath(new URL('..', import.meta.url));
for (const part of parts) {
  const before = readFileSync(`${root}${part.file}`, 'utf8');
  const after = withPart(before, part);
  if (after !== before) writeFileSync(`${root}${part.file}`, after);
  console.error(`${part.file}: ${after === before ? 'as it was' : 'written'}`);
}
