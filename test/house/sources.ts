// The sources as text, for tests of how they are written.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The repository: this file is build/js/test/house/sources.js in it. */
export const root = fileURLToPath(new URL('../../../../', import.meta.url));

export interface Source {
  /** Below src/: 'engine/run.ts'. */
  readonly path: string;
  readonly text: string;
}

/** All files of src/. */
export function readSources(): Source[] {
  return readdirSync(`${root}src`, { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.ts'))
    .sort()
    .map((path) => ({ path, text: readFileSync(`${root}src/${path}`, 'utf8') }));
}
