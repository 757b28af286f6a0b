// Other engines, where they are installed (bench/peers/package.json). Their types are not known
// here: each file says what it uses.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** This folder in the sources: the compiled file is build/js/bench/peers/load.js. */
export const peersFolder = fileURLToPath(new URL('../../../../bench/peers/', import.meta.url));

/** A file of an installed package, or undefined. */
export function peerPath(path: string): string | undefined {
  const full = `${peersFolder}node_modules/${path}`;
  return existsSync(full) ? full : undefined;
}

/** An installed package, or undefined. */
export async function loadPeer<T>(name: string): Promise<T | undefined> {
  if (!peerPath(name)) return undefined;
  const require = createRequire(`${peersFolder}package.json`);
  const { default: whole, ...named } = (await import(
    pathToFileURL(require.resolve(name)).href
  )) as Record<string, object | undefined>;
  return { ...whole, ...named } as T;
}
