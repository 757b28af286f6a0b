// What TypeScript has to know of the kernels, read off the compiled module: so that no number
// stands in two languages. Writes build/generated/kernels.ts.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const KERNEL_TABLE = 'build/generated/kernels.ts';

/** @param {string} root the repository's folder, with build/kernels/simd.wasm in it */
export function writeKernelTable(root) {
  const bytes = readFileSync(join(root, 'build/kernels/simd.wasm'));
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
    env: { memory, abort: () => {} },
  });
  const kernels = Object.keys(exports)
    .filter((name) => typeof exports[name] === 'function')
    .sort();
  const counts = kernels.map((name) => `  ${name}: ${exports[name].length},\n`);
  mkdirSync(join(root, 'build/generated'), { recursive: true });
  writeFileSync(
    join(root, KERNEL_TABLE),
    `// Written by scripts/kernel-table.mjs.

/** How many arguments each kernel takes. */
export const kernelArguments = {
${counts.join('')}} as const;
`,
  );
}
