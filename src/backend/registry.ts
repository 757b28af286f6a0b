// The backends by name, and which one runs a model: chosen once, when it is loaded, with the
// reason. A new one: its folder, and its line here.
import type { Backend } from './backend.ts';
import { createReferenceBackend } from './reference.ts';
import { createWasmBackend, type WasmOptions } from './wasm/backend.ts';

interface Member {
  readonly summary: string;
  /** Throws DeviceError where it cannot be had here. */
  create(options: WasmOptions): Backend;
}

/** Bytes of the reference's memory where nobody says how many: taken as they are touched. */
const REFERENCE_BYTES = 2 ** 30;

const members = {
  wasm: {
    summary: 'WebAssembly with SIMD, on threads where memory can be shared',
    create: createWasmBackend,
  },
  reference: {
    summary: 'plain loops in f64, hundreds of times slower: what the others are held against',
    create: ({ limitBytes = REFERENCE_BYTES }) =>
      createReferenceBackend(Math.min(limitBytes, REFERENCE_BYTES)),
  },
} as const satisfies Record<string, Member>;

export type BackendName = keyof typeof members;
export const backendNames = Object.keys(members) as BackendName[];

/** A backend, and why it is this one. */
export interface ChosenBackend {
  readonly backend: Backend;
  readonly reason: string;
}

/** The backend that was asked for, or the best there is. Throws as creating it does. */
export function chooseBackend(
  wanted: BackendName | 'auto' | Backend,
  options: WasmOptions,
): ChosenBackend {
  if (typeof wanted === 'object') return { backend: wanted, reason: 'it was handed in' };
  const name = wanted === 'auto' ? 'wasm' : wanted;
  const reason = wanted === 'auto' ? 'the only one that is fast here' : 'it was asked for';
  return { backend: members[name].create(options), reason };
}
