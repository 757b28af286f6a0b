// What a worker of a pipeline runs: consecutive layers of a model in a memory of its own, and the
// conversations' parts in them. Like all that it imports it names files by relative paths only, so
// that a page can start it without a bundler.
import type { Backend } from '../../backend/backend.ts';
import { createArena } from '../../backend/arena.ts';
import { createCore } from '../../backend/wasm/core.ts';
import { createOps } from '../../backend/wasm/ops.ts';
import { createSchedule } from '../../backend/wasm/schedule.ts';
import { failureOf } from '../../errors.ts';
import { HELLO } from '../../runtime/hello.ts';
import { createTransformer, type Transformer } from '../../model/transformer.ts';
import { createWeights, type WeightStore } from '../../model/weights.ts';
import { partOf } from '../plan.ts';
import { Stage } from '../stage.ts';
import {
  answersOnce,
  type Begin,
  type Command,
  type Done,
  type FromWorker,
  type Task,
  type ToWorker,
} from './messages.ts';
import { policyOf } from './policy-data.ts';

interface Scope {
  addEventListener(type: 'message', listener: (event: { data: ToWorker }) => void): void;
  postMessage(message: FromWorker | typeof HELLO, transfer: Transferable[]): void;
}
const scope = globalThis as unknown as Scope;
const say = (message: FromWorker, transfer: Transferable[] = []) =>
  scope.postMessage(message, transfer);

/** What is passed on to the next worker, and what is said about it here. */
interface Outcome {
  readonly onward?: Task;
  readonly transfer?: Transferable[];
  readonly value?: unknown;
}

class Worker {
  readonly #begin: Begin;
  readonly #backend: Backend;
  readonly #store: WeightStore;
  #transformer?: Transformer;
  /** Each conversation's part in these layers. */
  readonly #parts = new Map<number, Stage>();
  /** Conversations that went wrong: what they are told to do is not done any more. */
  readonly #broken = new Set<number>();
  #turn: Promise<void> = Promise.resolve();

  constructor(begin: Begin) {
    this.#begin = begin;
    const core = createCore(begin.kernels, { limitBytes: begin.limitBytes });
    const arena = createArena(core.base, core.limitBytes, core.reserve);
    this.#backend = createOps(core, arena, createSchedule(core, arena), begin.activations);
    this.#store = createWeights(this.#backend, begin.config, begin.tensors, begin.range);
    begin.before?.addEventListener('message', (event: MessageEvent<Command>) =>
      this.command(event.data),
    );
    begin.before?.start();
  }

  load(message: Exclude<ToWorker, Begin | Command>): void {
    if (message.kind === 'finish') {
      this.#transformer = createTransformer(
        this.#begin.config,
        this.#store.finish(),
        this.#backend,
      );
      say({ kind: 'ready' });
    } else {
      this.#store.put(
        this.#begin.tensors[message.tensor],
        message.row,
        message.rows,
        message.bytes,
      );
      say({ kind: 'stored', bytes: message.bytes.length });
    }
  }

  /** Commands take their turns, in the order they came. */
  command(command: Command): void {
    this.#turn = this.#turn.then(() => this.#obey(command));
  }

  /** Does its part of a command, passes the command on, and says what came of it. */
  async #obey(command: Command): Promise<void> {
    const { id, session, task } = command;
    const kept: { layer: number; tokens: readonly Int32Array[] }[] = [];
    let outcome: Outcome = {};
    let failure: Done['failure'];
    try {
      if (this.#broken.has(session) && task.kind !== 'close')
        throw new Error('the conversation went wrong before');
      outcome = await this.#perform(session, task, kept);
    } catch (error) {
      failure = failureOf(error);
      // without hidden states nobody behind can go on; all else each worker does for itself
      if (task.kind === 'step' || task.kind === 'append') this.#broken.add(session);
      else if (task.kind !== 'embed') outcome = { onward: task };
    }
    const { onward, transfer, value } = outcome;
    if (onward) this.#begin.behind?.postMessage({ ...command, task: onward }, transfer ?? []);
    const { usedBytes = 0, peakBytes = 0 } = this.#parts.get(session)?.held ?? {};
    const answer = {
      kind: 'done',
      id,
      stage: this.#begin.stage,
      value,
      failure,
      cacheBytes: usedBytes,
      peakCacheBytes: peakBytes,
      kept,
    } as const;
    const own =
      value instanceof Float32Array || value instanceof Uint8Array
        ? [value.buffer as ArrayBuffer]
        : [];
    // only the last worker has log-odds to tell, only the first has embeddings, a piece is one
    // worker's
    if (!answersOnce(task) || value !== undefined || failure) say(answer, own);
  }

  async #perform(
    session: number,
    task: Task,
    kept: { layer: number; tokens: readonly Int32Array[] }[],
  ): Promise<Outcome> {
    const { stage: number, range } = this.#begin;
    const transformer = this.#transformer!;
    if (task.kind === 'embed') return { value: await transformer.embed(task.tokens) };
    if (task.kind === 'open') {
      const plan = { ...task.plan, policy: policyOf(task.plan.policy) };
      this.#parts.set(session, new Stage(transformer, partOf(plan, range)));
      return { onward: task };
    }
    if (task.kind === 'close') {
      this.#parts.get(session)?.dispose();
      this.#parts.delete(session);
      this.#broken.delete(session);
      return { onward: task };
    }
    const stage = this.#parts.get(session);
    if (!stage) throw new Error('the conversation is not open');
    switch (task.kind) {
      case 'step': {
        stage.onKept = task.reports ? (layer, tokens) => kept.push({ layer, tokens }) : undefined;
        const passed = await stage.step(task.block, task.prompt, task.step);
        if (!passed) return {};
        const { block, prompt } = passed;
        return {
          onward: { ...task, block, prompt },
          transfer: prompt ? [block.buffer, prompt.buffer] : [block.buffer],
        };
      }
      case 'append': {
        const tokens = await stage.append(task.tokens, task.place);
        return tokens ? { onward: { ...task, tokens }, transfer: [tokens.buffer] } : {};
      }
      case 'logits':
        return stage.isLast ? { value: await stage.logits(task.t) } : { onward: task };
      case 'mark':
      case 'rewind':
      case 'clear':
        return { onward: task, value: await setState(stage, task) };
      case 'save':
        return { onward: task, value: await stage.state.save() };
      case 'read':
      case 'write':
        if (task.stage !== number) return { onward: task, transfer: [task.piece.buffer] };
        if (task.kind === 'read') await stage.state.read(task.piece);
        else stage.state.write(task.piece.subarray(0, task.count));
        return { value: task.piece };
      case 'restore':
        stage.state.restore(task.extents[number]);
        return { onward: task };
      case 'restored':
        return { onward: task, value: stage.state.restored() };
      case 'held':
        return { onward: task, value: await stage.rowsOf(task.spans) };
    }
  }
}

/** Marks a state, goes back to a mark, or forgets all. */
async function setState(
  { state }: Stage,
  task: Task & { kind: 'mark' | 'rewind' | 'clear' },
): Promise<number[] | undefined> {
  if (task.kind === 'rewind') return state.rewind(task.mark);
  if (task.kind === 'mark') state.mark(task.mark.token, task.mark.slot);
  else state.clear();
  return undefined;
}

let worker: Worker | undefined;
scope.addEventListener('message', ({ data }) => {
  if (data.kind === 'command') {
    worker!.command(data);
    return;
  }
  try {
    if (data.kind === 'begin') {
      worker = new Worker(data);
      say({ kind: 'begun' });
    } else worker!.load(data);
  } catch (error) {
    say({ kind: 'failed', failure: failureOf(error) });
  }
});
scope.postMessage(HELLO, []);
