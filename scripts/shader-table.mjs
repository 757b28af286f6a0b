// The shaders of src/backend/webgpu/shaders/ as one module of texts: each behind the files of lib/
// that it uses, without comments, and nothing else changed.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const SHADERS = 'src/backend/webgpu/shaders';
export const SHADER_TABLE = 'build/generated/shaders.ts';

/** What a file says in its first lines that it uses. */
const usedBy = (text) =>
  [...text.matchAll(/^\/\/ uses: (.+)$/gm)].flatMap(([, names]) => names.trim().split(/,\s*/));

/** Comments, indents and empty lines: a device needs none of them. */
const shortened = (text) =>
  text
    .replace(/\/\/.*$/gm, '')
    .replace(/^[ \t]+|[ \t]+$/gm, '')
    .replace(/\n{2,}/g, '\n')
    .trim();

export function writeShaderTable(root) {
  const read = (name) => readFileSync(join(root, SHADERS, `${name}.wgsl`), 'utf8');
  /** Files behind those that they use, each once. */
  const gather = (name, seen) => {
    if (seen.has(name)) return;
    const text = read(name);
    for (const used of usedBy(text)) gather(used, seen);
    seen.set(name, shortened(text));
  };
  const names = readdirSync(join(root, SHADERS))
    .filter((file) => file.endsWith('.wgsl'))
    .map((file) => file.slice(0, -'.wgsl'.length))
    .sort();
  const rows = names.map((name) => {
    const seen = new Map();
    gather(name, seen);
    return `  ${JSON.stringify(name)}: ${JSON.stringify([...seen.values()].join('\n'))},\n`;
  });
  const union = names.map((name) => JSON.stringify(name)).join('\n  | ');
  mkdirSync(join(root, 'build/generated'), { recursive: true });
  writeFileSync(
    join(root, SHADER_TABLE),
    `// Made by scripts/shader-table.mjs.\nexport type ShaderName =\n  | ${union};\n` +
      `export const shaders: Readonly<Record<ShaderName, string>> = {\n${rows.join('')}};\n`,
  );
}
