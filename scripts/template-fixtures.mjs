// What Python's Jinja2, set up as transformers has it, makes of the conversations and cases of
// test/session/templates: outside CI, as it needs python3 with jinja2.
//
//     node scripts/template-fixtures.mjs            writes test/fixtures/templates.json
//     node scripts/template-fixtures.mjs compare    shows where our rendering differs
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { caseText, cases, caseVariables } from '../build/js/test/session/templates/cases.js';
import {
  CONVERSATIONS,
  conversationOf,
  hashesOf,
  momentsOf,
  renderingOf,
  variablesOf,
} from '../build/js/test/session/templates/conversations.js';
import { NOW } from '../build/js/test/session/templates/family.js';
import { families } from '../build/js/test/session/templates/index.js';

const moments = (family) =>
  Array.from({ length: CONVERSATIONS }, (_, seed) =>
    momentsOf(conversationOf(family, seed), seed),
  ).flat();
const asked = [
  ...families.map((family) => ({
    source: family.source,
    moments: moments(family).map(([said, reply]) => variablesOf(family, said, reply)),
  })),
  ...cases.map((source) => ({ source, moments: [caseVariables] })),
];
const now = [NOW.getFullYear(), NOW.getMonth() + 1, NOW.getDate()];
now.push(NOW.getHours(), NOW.getMinutes(), NOW.getSeconds());
const script = fileURLToPath(new URL('jinja2-render.py', import.meta.url));
const { version, families: texts } = JSON.parse(
  execFileSync('python3', [script], {
    input: JSON.stringify({ now, families: asked }),
    maxBuffer: 1 << 30,
    encoding: 'utf8',
  }),
);
const told = texts.slice(families.length).map(([text]) => text);

if (process.argv[2] === 'compare') {
  const show = (text) => (text == null ? 'refuses' : JSON.stringify(text));
  for (const [i, family] of families.entries()) {
    const all = moments(family);
    const refused = texts[i].filter((text) => text === null).length;
    const different = all.filter(
      ([said, reply], at) => (renderingOf(family, said, reply) ?? null) !== texts[i][at],
    );
    console.log(`${family.name}: ${different.length} of ${all.length} differ, ${refused} refused`);
    for (const [said, reply] of different.slice(0, 1)) {
      console.log(JSON.stringify(said));
      console.log(`  ours   ${show(renderingOf(family, said, reply))}`);
      console.log(`  jinja2 ${show(texts[i][all.findIndex((m) => m[0] === said)])}`);
    }
  }
  for (const [i, source] of cases.entries()) {
    const ours = caseText(source) ?? null;
    if (ours !== told[i])
      console.log(`${source}\n  ours   ${show(ours)}\n  jinja2 ${show(told[i])}`);
  }
} else {
  const fixture = {
    jinja2: version,
    families: Object.fromEntries(families.map(({ name }, i) => [name, hashesOf(texts[i])])),
    cases: Object.fromEntries(cases.map((source, i) => [source, told[i]])),
  };
  writeFileSync(
    new URL('../test/fixtures/templates.json', import.meta.url),
    `${JSON.stringify(fixture, null, 1)}\n`,
  );
}
