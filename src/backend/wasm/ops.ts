// The WebAssembly backend: each operation of backend.ts as calls of kernels, a file a group. They
// loop over heads, and cut operations into calls that threads can share (schedule.ts); no numbers
// here. Cutting changes no result: every sum is made within one call, in the same order.
import type { Arena } from '../arena.ts';
import type { CpuBackend } from '../cpu/memory.ts';
import { cacheOps } from '../cpu/operations.ts';
import { createScoreArithmetic, createScoreChecks } from '../cpu/scores.ts';
import { createSelect } from '../cpu/select.ts';
import { createWeighing } from '../cpu/weighing.ts';
import type { Activations } from '../rounding.ts';
import { attentionOps } from './attention.ts';
import { clusterOps } from './clusters.ts';
import { createContext } from './context.ts';
import type { Core } from './core.ts';
import { denseAttentionOps } from './dense-attention.ts';
import { elementGradients, elementOps } from './elements.ts';
import { expertOps } from './experts.ts';
import { lookOps } from './looks.ts';
import { lossOps } from './loss.ts';
import { memoryOps } from './memory.ts';
import { productGradients } from './product-gradients.ts';
import { productOps } from './products.ts';
import { recurrentOps } from './recurrent.ts';
import { rowOps } from './rows.ts';
import type { Schedule } from './schedule.ts';
import { scoringOps } from './scoring.ts';
import { scratchOf } from './scratch.ts';
import { selectOps } from './select.ts';
import { streamOps } from './streams.ts';
import type { Team } from './team.ts';
import { weightOps } from './weights.ts';

/** A backend, and the threads beside this one that work on it. */
export interface WasmBackend extends CpuBackend {
  readonly team?: Team;
}

/** By the numbers of assembly/eight-bits.ts. */
const BYTES = ['widened', 'unsigned', 'signed', 'seven-bit'] as const;

/** The operations on a core's memory. */
export function createOps(
  core: Core,
  arena: Arena,
  schedule: Schedule,
  activations: Activations,
): WasmBackend {
  const { kernels } = core;
  const { team } = schedule;
  const context = createContext(core, arena, schedule, activations);
  const memory = memoryOps(context);
  const elements = elementOps(context);
  const selecting = selectOps(context);
  const scoring = scoringOps(context);
  const backend: WasmBackend = {
    name: 'wasm',
    build: core.build,
    get threads() {
      return team?.running ?? 1;
    },
    get fallback() {
      return team?.fallback;
    },
    team,
    arena,
    inEightBits: context.inEightBits,
    rounding: { activations, bytes: BYTES[kernels.eight_bits()] },
    ...cacheOps(() => backend),
    ...memory,
    ...weightOps(context),
    ...productOps(context, elements),
    ...elements,
    ...streamOps(context),
    ...rowOps(context),
    ...attentionOps(context),
    ...lookOps(context),
    ...scoring,
    ...createScoreArithmetic(memory),
    ...createScoreChecks(memory),
    ...createWeighing(memory, { ...selecting, ...scoring }),
    ...selecting,
    ...createSelect(memory, selecting),
    ...clusterOps(context),
    experts: expertOps(context),
    training: {
      ...productGradients(context),
      ...elementGradients(context),
      ...denseAttentionOps(context),
      ...lossOps(context),
    },
    recurrent: recurrentOps(context),
    scratchBytes: (shape) => schedule.bytesOf(scratchOf(kernels, shape)),
    reserveScratch: (shape) => schedule.reserve(scratchOf(kernels, shape)),
    dispose: schedule.stop,
  };
  return backend;
}
