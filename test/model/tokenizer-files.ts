// What files say of their tokenizers, for tests that need no model.
import { fileURLToPath } from 'node:url';
import type { Metadata } from '../../src/model/gguf.ts';
import { readHeader } from '../../src/model/header.ts';
import { openSource } from '../../src/model/source.ts';

/** `file`: below the root. */
export async function metadataOf(file: string): Promise<Metadata> {
  const source = await openSource(fileURLToPath(new URL(`../../../../${file}`, import.meta.url)));
  try {
    return (await readHeader(source)).metadata;
  } finally {
    await source.close();
  }
}

const CONTROL = 3;
const USER_DEFINED = 4;

/** Texts of the tokens that a file marks as special. */
export function specialsOf(metadata: Metadata): string[] {
  const types = (metadata['tokenizer.ggml.token_type'] as number[] | undefined) ?? [];
  return (metadata['tokenizer.ggml.tokens'] as string[]).filter(
    (_, id) => types[id] === CONTROL || types[id] === USER_DEFINED,
  );
}
