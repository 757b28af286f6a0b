// Whom headers are for: they are secrets of one server, the model's, and go to no other one.
import { runtime } from '#runtime';
import { filesOf, type ModelFiles, type ModelInput, tagOf } from '../source.ts';
import type { DownloadOptions } from './options.ts';

/**
 * What a download is told of a file that belongs to a model: headers are for the server that the
 * model comes from (the first that its files name), and, where it comes from none, for all.
 */
export function optionsFor<T extends DownloadOptions>(
  place: ModelInput,
  model: ModelFiles,
  options: T,
): T {
  const own = filesOf(model)
    .map(originOf)
    .find((origin) => origin !== undefined);
  return own === undefined || own === originOf(place)
    ? options
    : { ...options, headers: undefined };
}

/** The server that something comes from; undefined where it comes from none. */
function originOf(input: ModelInput): string | undefined {
  const url = urlOf(input);
  return url && /^https?:$/.test(url.protocol) ? url.origin : undefined;
}

/** What an input is as a URL that others may be relative to; undefined for a path, or no text. */
export function urlOf(input: ModelInput): URL | undefined {
  if (typeof input !== 'string' && tagOf(input) !== 'URL') return undefined;
  try {
    const url = new URL(String(input).trim(), runtime.baseUrl);
    return /^(https?|file):$/.test(url.protocol) ? url : undefined;
  } catch {
    return undefined;
  }
}
