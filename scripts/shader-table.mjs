// The shaders of src/backend/webgpu/shaders/ as one module of texts: each behind the files of lib/
// that it uses, without comments, and nothing else changed. Where lib/NAME-subgroups has the
// functions of lib/NAME for devices with subgroups, shaders that use it have a second text. How
// weight types are read, weights/, is apart: a shader gets those that it is wanted for
// (src/backend/webgpu/weight-types.ts).
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
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
  const pathOf = (name) => join(root, SHADERS, `${name}.wgsl`);
  /** Files behind those that they use, each once, and whether one of them is for subgroups. */
  const gather = (name, subgroups) => {
    const texts = new Map();
    let special = false;
    const add = (wanted) => {
      const has = subgroups && existsSync(pathOf(`${wanted}-subgroups`));
      special ||= has;
      const file = has ? `${wanted}-subgroups` : wanted;
      if (texts.has(file)) return;
      const text = readFileSync(pathOf(file), 'utf8');
      for (const used of usedBy(text)) add(used);
      texts.set(file, shortened(text));
    };
    add(name);
    return { texts: [...(special ? ['enable subgroups;'] : []), ...texts.values()], special };
  };
  // a text that many have is written once
  const all = new Map();
  const numberOf = (text) => {
    if (!all.has(text)) all.set(text, all.size);
    return all.get(text);
  };
  const row = (name, texts) =>
    `  ${JSON.stringify(name)}: join(${texts.map(numberOf).join(', ')}),\n`;
  const filesOf = (folder) =>
    readdirSync(join(root, SHADERS, folder))
      .filter((file) => file.endsWith('.wgsl'))
      .map((file) => file.slice(0, -'.wgsl'.length))
      .sort();
  const names = filesOf('');
  const rows = names.map((name) => row(name, gather(name, false).texts));
  const special = names.flatMap((name) => {
    const found = gather(name, true);
    return found.special ? [row(name, found.texts)] : [];
  });
  const ofTypes = filesOf('weights').map(
    (name) =>
      `  ${JSON.stringify(name)}: [${gather(`weights/${name}`, false)
        .texts.map((text) => `texts[${numberOf(text)}]`)
        .join(', ')}],\n`,
  );
  const union = names.map((name) => JSON.stringify(name)).join('\n  | ');
  mkdirSync(join(root, 'build/generated'), { recursive: true });
  writeFileSync(
    join(root, SHADER_TABLE),
    `// Made by scripts/shader-table.mjs.\nexport type ShaderName =\n  | ${union};\n` +
      `const texts = [\n${[...all.keys()].map((text) => `  ${JSON.stringify(text)},\n`).join('')}];\n` +
      "const join = (...parts: number[]) => parts.map((i) => texts[i]).join('\\n');\n" +
      `export const shaders: Readonly<Record<ShaderName, string>> = {\n${rows.join('')}};\n` +
      '/** Second texts, for devices with subgroups. */\n' +
      'export const subgroupShaders: Readonly<Partial<Record<ShaderName, string>>> = {\n' +
      `${special.join('')}};\n` +
      '/** Texts by which a weight type is read, in order. */\n' +
      'export const weightTexts: Readonly<Record<string, readonly string[]>> = {\n' +
      `${ofTypes.join('')}};\n`,
  );
}
