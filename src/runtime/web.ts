// Pages and workers without a file system: models come as URLs, Blobs or bytes, episodes stay in memory.
import { UnsupportedError } from '../errors.ts';
import type { Runtime } from './runtime.ts';

const refuse = async (path: string | URL): Promise<never> => {
  throw new UnsupportedError(`'${path}' is a file path, and this runtime has no file system: pass a URL, a Blob or bytes`);
};

export const runtime: Runtime = {
  name: 'web',
  cores: globalThis.navigator?.hardwareConcurrency ?? 1,
  // a page's <base> counts; a worker's is where its script lies
  baseUrl: globalThis.document?.baseURI ?? globalThis.location?.href,
  openFile: refuse,
  writeFile: refuse,
  removeFile: refuse,
};
