// Tables of documents, each between two markers.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';

/** A page with tables in their places, by name. Throws where it has none of that name. */
export function withTables(text: string, tables: Readonly<Record<string, string>>): string {
  return Object.entries(tables).reduce((all, [name, table]) => {
    const [begin, end] = [`<!-- ${name}: written by a command -->`, `<!-- end of ${name} -->`];
    const [from, to] = [all.indexOf(begin), all.indexOf(end)];
    if (from < 0 || to < from) throw new Error(`the page has no place for '${name}': ${begin}`);
    return `${all.slice(0, from)}${begin}\n\n${table}\n\n${all.slice(to)}`;
  }, text);
}

/** Writes tables into docs/<name>. */
export async function writeTables(
  name: string,
  tables: Readonly<Record<string, string>>,
): Promise<void> {
  const page = fileURLToPath(new URL(`../../../../docs/${name}`, import.meta.url));
  const text = withTables(readFileSync(page, 'utf8'), tables);
  const how = { ...(await resolveConfig(page)), parser: 'markdown' };
  writeFileSync(page, await format(text, how));
}
