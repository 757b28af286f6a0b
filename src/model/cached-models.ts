// The public side of the models that a browser keeps. What does the work is loaded when it is asked
// for.
import type { CachedModel } from './model-cache/list.ts';

export type { CachedModel };

/**
 * The models that `loadModel(url, { cache: true })` has kept for this site, wholly or as far as
 * they came, the newest first; none where there is no browser, or one that keeps nothing. Throws
 * StoreError where the browser's files cannot be read.
 *
 *     for (const { url, bytes } of await cachedModels()) console.log(url, bytes);
 */
export async function cachedModels(): Promise<CachedModel[]> {
  return (await import('./model-cache/list.ts')).listModels();
}

/**
 * Deletes what is kept of a URL; resolves to whether there was anything. Throws StoreError while
 * the model is being loaded, OptionError for what is no URL.
 */
export async function deleteCachedModel(url: string | URL): Promise<boolean> {
  return (await import('./model-cache/list.ts')).deleteModel(url);
}
