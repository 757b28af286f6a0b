// The package that this program is part of: its version, and the files that it ships.
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The package's own folder: this file is build/js/src/cli/package.js in it. */
const home = new URL('../../../../', import.meta.url);

export function version(): string {
  const text = readFileSync(new URL('package.json', home), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** The path of a file of the package. */
export const pathOf = (name: string): string => fileURLToPath(new URL(name, home));

/** The same as people would write it where they are. */
export function shortPathOf(name: string): string {
  const path = pathOf(name);
  const near = relative(process.cwd(), path);
  return near !== '' && near.length < path.length && !near.startsWith('../../..') ? near : path;
}
