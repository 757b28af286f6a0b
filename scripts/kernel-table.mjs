// What TypeScript has to know of the kernels, read off the compiled module: so that no number
// stands in two languages. Writes build/generated/kernels.ts.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const KERNEL_TABLE = 'build/generated/kernels.ts';

/** A string of the module, whose length in bytes stands before it. */
function textAt(memory, at) {
  const [length] = new Int32Array(memory.buffer, at - 4, 1);
  return String.fromCharCode(...new Uint16Array(memory.buffer, at, length / 2));
}

/** Rows of the table of weight types (assembly/weights/table.ts), as literals. */
function weightRows({ weight_types, weight_type, FLOATS }, memory) {
  return Array.from({ length: weight_types() }, (_, number) => {
    const fields = new Int32Array(memory.buffer, weight_type(number), 8);
    const [text, ggml, elements, lead, head, words, tail, kind] = fields;
    // a string's length in bytes stands before it
    const [length] = new Int32Array(memory.buffer, text - 4, 1);
    const name = String.fromCharCode(...new Uint16Array(memory.buffer, text, length / 2));
    const rounded = kind !== FLOATS.value;
    const row = { name, number, ggml, elements, lead, head, words, tail, rounded };
    return `  ${JSON.stringify(row)},\n`;
  });
}

/** Rows of the table of grids (assembly/weights/grids.ts), their sets in base 64. */
function gridRows({ grids, grid }, memory) {
  return Array.from({ length: grids() }, (_, number) => {
    const [text, at, entries, digits, levels] = new Int32Array(memory.buffer, grid(number), 5);
    const bytes = Buffer.from(memory.buffer, at, Math.ceil(levels ** digits / 8));
    const row = { entries, digits, levels, set: bytes.toString('base64') };
    return `  ${textAt(memory, text)}: ${JSON.stringify(row)},\n`;
  });
}

/** @param {string} root the repository's folder, with build/kernels/simd.wasm in it */
export function writeKernelTable(root) {
  const bytes = readFileSync(join(root, 'build/kernels/simd.wasm'));
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
    env: { memory, abort: () => {} },
  });
  const named = Object.entries(exports).sort(([a], [b]) => (a < b ? -1 : 1));
  const kernels = named.filter(([, it]) => typeof it === 'function');
  const numbers = named.filter(
    ([name, it]) => it instanceof WebAssembly.Global && name !== 'heap_base',
  );
  mkdirSync(join(root, 'build/generated'), { recursive: true });
  writeFileSync(
    join(root, KERNEL_TABLE),
    `// Written by scripts/kernel-table.mjs.

${numbers.map(([name, { value }]) => `export const ${name} = ${value};\n`).join('')}
/** Weight types by the numbers that kernels know them by. */
export const weightRows = [
${weightRows(exports, memory).join('')}] as const;

/** Grids of the IQ types. */
export const gridRows = {
${gridRows(exports, memory).join('')}} as const;

/** How many arguments each kernel takes. */
export const kernelArguments = {
${kernels.map(([name, { length }]) => `  ${name}: ${length},\n`).join('')}} as const;
`,
  );
}
