// Where the tests find their files, and one loaded copy of the small trained model.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadModel, type Model } from '../src/engine/model.ts';

const root = new URL('../../../', import.meta.url); // from build/js/test

export const fixture = (name: string): string =>
  fileURLToPath(new URL(`test/fixtures/${name}`, root));
export const bundled = (name: string): string => fileURLToPath(new URL(`models/${name}`, root));
export const kernelBytes = (build: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(readFileSync(new URL(`build/kernels/${build}.wasm`, root)));
export const readJson = <T>(path: string): T => JSON.parse(readFileSync(path, 'utf8')) as T;

let tiny: Promise<Model> | undefined;
/** The bundled model, loaded once for all tests; nobody disposes of it. */
export const tinyModel = (): Promise<Model> => {
  tiny ??= loadModel(bundled('recollect-tiny.gguf'));
  return tiny;
};
