// How a model lies in the browser's files: which one it is, and how much of it is there, in front
// of its bytes. All that a killed page leaves is whole: bytes count once the head says so.
//
//     0      slot 0   | checksum u32 | JSON bytes u32 | number u32 | JSON, zeros to 4096
//     4096   slot 1   the same; slots are written in turn, the larger number counts
//     8192   the model's first byte, and all behind it that came
import { checksumOfBytes, EMPTY_CHECKSUM } from '../../cache/checksum.ts';
import type { OriginFiles } from '../../runtime/runtime.ts';
import type { Version } from '../download/http-headers.ts';

const SLOT_BYTES = 4096;
const FIXED_BYTES = 12;
const FORMAT = 1;
/** Where the model's bytes begin. */
export const HEAD_BYTES = 2 * SLOT_BYTES;

export interface Entry {
  /** Without user, password and fragment. */
  readonly url: string;
  readonly version: Version;
  readonly totalBytes: number;
  /** So many of its first bytes are there. */
  readonly bytes: number;
  /** When that was written: milliseconds since 1970. */
  readonly savedAt: number;
  /** How often it was written before. */
  readonly number: number;
}

export const isComplete = ({ bytes, totalBytes }: Entry): boolean => bytes === totalBytes;

/** What a file is called under which a URL is kept: no name is too long, none too strange. */
export async function nameOf(url: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(url));
  return Array.from(new Uint8Array(digest, 0, 16), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('');
}

/** The URL that a model is kept under; its query is part of it. */
export function addressOf(url: URL): string {
  const address = new URL(url);
  address.hash = '';
  address.username = '';
  address.password = '';
  return address.href;
}

/** An entry's slot, and where it goes; undefined where the URL is too long for it. */
export function slotOf(entry: Entry): { at: number; bytes: Uint8Array<ArrayBuffer> } | undefined {
  const { number, ...rest } = entry;
  const json = new TextEncoder().encode(JSON.stringify({ format: FORMAT, ...rest }));
  if (FIXED_BYTES + json.length > SLOT_BYTES) return undefined;
  const bytes = new Uint8Array(SLOT_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(json, FIXED_BYTES);
  view.setUint32(4, json.length, true);
  view.setUint32(8, number, true);
  view.setInt32(0, checksumOfBytes(EMPTY_CHECKSUM, bytes.subarray(4)), true);
  return { at: (number % 2) * SLOT_BYTES, bytes };
}

function readSlot(head: Uint8Array<ArrayBuffer>, at: number): Entry | undefined {
  if (head.length < at + SLOT_BYTES) return undefined;
  const bytes = head.slice(at, at + SLOT_BYTES);
  const view = new DataView(bytes.buffer);
  const length = view.getUint32(4, true);
  if (
    length > SLOT_BYTES - FIXED_BYTES ||
    view.getInt32(0, true) !== checksumOfBytes(EMPTY_CHECKSUM, bytes.subarray(4))
  )
    return undefined;
  try {
    const text = new TextDecoder().decode(bytes.subarray(FIXED_BYTES, FIXED_BYTES + length));
    const { format, ...entry } = JSON.parse(text) as Omit<Entry, 'number'> & { format: number };
    return format === FORMAT ? { ...entry, number: view.getUint32(8, true) } : undefined;
  } catch {
    return undefined;
  }
}

/** What a file's first bytes say of it; undefined where they are none of a model that is kept. */
export function readHead(head: Uint8Array<ArrayBuffer>, fileBytes: number): Entry | undefined {
  const slots = [readSlot(head, 0), readSlot(head, SLOT_BYTES)].filter(
    (slot) => slot !== undefined,
  );
  const [newest] = slots.sort((a, b) => b.number - a.number);
  // a browser that lost its end has lost all of it: nobody knows what else it lost
  return newest && fileBytes >= HEAD_BYTES + newest.bytes ? newest : undefined;
}

export async function readEntry(files: OriginFiles, name: string): Promise<Entry | undefined> {
  const found = await files.peek(name, HEAD_BYTES);
  return found && readHead(found.bytes, found.sizeBytes);
}
