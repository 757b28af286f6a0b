// A model's layers in workers that own some of them each: weights, caches and budgets of their
// layers in a memory of their own. Blocks flow through them, several at once, so that prefill gets
// faster with workers without any memory being shared; and a model may be larger than one memory.
import type { Backend } from '../../backend/backend.ts';
import type { Compiled } from '../../backend/wasm/core.ts';
import { DeviceError, errorOf } from '../../errors.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { TensorInfo } from '../../model/gguf.ts';
import { type LoadProgress, readTensors } from '../../model/load.ts';
import type { ModelSource } from '../../model/source.ts';
import { type LayerRange, tensorsOf } from '../../model/tensors.ts';
import type { RuntimeWorker } from '../../runtime/runtime.ts';
import { startWorker } from '../../runtime/start-worker.ts';
import { type Executor, unloadedError } from '../executor.ts';
import type { Plan } from '../plan.ts';
import { PipelineLayers } from './layers.ts';
import {
  answersOnce,
  type Command,
  type Done,
  type FromWorker,
  type Task,
  type ToWorker,
} from './messages.ts';
import { policyData } from './policy-data.ts';

export interface PipelineOptions {
  readonly source: ModelSource;
  readonly tensors: readonly TensorInfo[];
  readonly config: ModelConfig;
  /** Layers of each worker, first to last. */
  readonly stages: readonly LayerRange[];
  /** This thread's. */
  readonly backend: Backend;
  /** What workers run. */
  readonly kernels: Compiled;
  /** Most bytes of each worker's memory. */
  readonly limitBytes: number;
  readonly onProgress?: (progress: LoadProgress) => void;
  readonly signal?: AbortSignal;
}

/** Bytes on their way to workers while a model is loaded. */
const UNDER_WAY_BYTES = 8 << 20;
/** Milliseconds that a worker may take to start. */
const START_MS = 30_000;

/** A command that is not answered yet. */
interface Pending {
  readonly session: number;
  /** Whether one worker answers, not each. */
  readonly single: boolean;
  /**
   * Whether the first failure is the answer: workers behind it have nothing to answer, or nobody
   * waits for them.
   */
  readonly fails: boolean;
  /** Answers to come. */
  left: number;
  readonly values: unknown[];
  failure?: Done['failure'];
  readonly resolve: (values: unknown[]) => void;
  readonly reject: (error: Error) => void;
}

/** Workers cannot be had, though nothing was against it: the layers may run here instead. */
export class NoWorkersError extends DeviceError {}

export class PipelineExecutor implements Executor {
  readonly config: ModelConfig;
  readonly backend: Backend;
  readonly stages: readonly LayerRange[];
  readonly depth: number;
  readonly #workers: RuntimeWorker[] = [];
  readonly #pending = new Map<number, Pending>();
  readonly #sessions = new Map<number, PipelineLayers>();
  #commands = 0;
  #opened = 0;
  /** Why nothing can be done any more. */
  #ended?: Error;
  #loading?: { storing: number; begun: number; ready: number; wake(): void };

  private constructor({ config, backend, stages }: PipelineOptions) {
    this.config = config;
    this.backend = backend;
    this.stages = stages;
    // one block a worker, and one that waits at the first
    this.depth = stages.length + 1;
  }

  /**
   * Starts the workers and loads their weights. Throws as readTensors does, DeviceError where a
   * worker's memory ends, and NoWorkersError where one cannot be started, before anything is read;
   * no worker is left then.
   */
  static async load(options: PipelineOptions): Promise<PipelineExecutor> {
    const executor = new PipelineExecutor(options);
    const wake = () => executor.#loading?.wake();
    options.signal?.addEventListener('abort', wake);
    try {
      await executor.#load(options);
      return executor;
    } catch (error) {
      executor.#end(new DeviceError('the model was not loaded'));
      throw error;
    } finally {
      options.signal?.removeEventListener('abort', wake);
    }
  }

  async #load({
    source,
    tensors,
    config,
    stages,
    kernels,
    limitBytes,
    onProgress,
    signal,
  }: PipelineOptions): Promise<void> {
    const state = { storing: 0, begun: 0, ready: 0, wake() {} };
    this.#loading = state;
    const until = async (reached: () => boolean, patienceMs?: number): Promise<void> => {
      const begin = performance.now();
      while (!reached()) {
        signal?.throwIfAborted();
        if (this.#ended) throw this.#ended;
        if (patienceMs !== undefined && performance.now() - begin > patienceMs)
          throw new NoWorkersError(`a worker did not start within ${patienceMs / 1000} s`);
        let timer: ReturnType<typeof setTimeout> | undefined;
        await new Promise<void>((resolve) => {
          state.wake = resolve;
          timer = setTimeout(resolve, 100);
        });
        clearTimeout(timer);
      }
    };
    const owned = stages.map((range) => tensorsOf(tensors, config, range));
    const channels = stages.slice(1).map(() => new MessageChannel());
    stages.forEach((range, stage) => {
      const [before, behind] = [channels[stage - 1]?.port2, channels[stage]?.port1];
      const message = {
        kind: 'begin',
        stage,
        range,
        config,
        tensors: owned[stage],
        kernels,
        limitBytes,
        before,
        behind,
      } as const;
      this.#start(stage);
      this.#tell(
        stage,
        message,
        [before, behind].filter((port) => port !== undefined),
      );
    });
    await until(() => state.begun === stages.length, START_MS);
    const places = owned.map((list) => new Map(list.map((tensor, i) => [tensor.name, i])));
    await readTensors(
      source,
      tensors,
      async (tensor, row, rows, bytes) => {
        for (const [stage, place] of places.entries()) {
          const at = place.get(tensor.name);
          if (at === undefined) continue;
          const copy = bytes.slice();
          state.storing += copy.length;
          this.#tell(stage, { kind: 'rows', tensor: at, row, rows, bytes: copy }, [copy.buffer]);
        }
        await until(() => state.storing <= UNDER_WAY_BYTES);
      },
      { onProgress, signal },
    );
    for (const stage of stages.keys()) this.#tell(stage, { kind: 'finish' });
    await until(() => state.ready === stages.length);
    this.#loading = undefined;
    this.#hold(false);
  }

  open(plan: Plan): PipelineLayers {
    if (this.#ended) throw this.#ended;
    const session = ++this.#opened;
    const data = { ...plan, policy: policyData(plan.policy) };
    const line = { ask: (task: Task) => this.ask(session, task), close: () => this.close(session) };
    const layers = new PipelineLayers(this.stages, line, plan);
    this.#sessions.set(session, layers);
    // what goes wrong is told by every operation after
    this.ask(session, { kind: 'open', plan: data }).catch((error: Error) => {
      layers.fail(error);
      this.close(session);
    });
    return layers;
  }

  async embed(tokens: readonly number[]): Promise<Float32Array> {
    const [rows] = await this.ask(0, { kind: 'embed', tokens });
    return rows as Float32Array;
  }

  /** Sends a command through the workers; their answers, first to last. */
  ask(session: number, task: Task): Promise<unknown[]> {
    if (this.#ended) return Promise.reject(this.#ended);
    const id = ++this.#commands;
    const single = answersOnce(task);
    const fails = single || task.kind === 'open' || task.kind === 'step' || task.kind === 'extend';
    return new Promise((resolve, reject) => {
      const piece = task.kind === 'read' || task.kind === 'write' ? [task.piece.buffer] : [];
      this.#tell(0, { kind: 'command', id, session, task } satisfies Command, piece);
      if (this.#pending.size === 0) this.#hold(true);
      this.#pending.set(id, {
        session,
        single,
        fails,
        left: single ? 1 : this.stages.length,
        values: [],
        resolve,
        reject,
      });
    });
  }

  /** A conversation ends, behind the commands that are under way. */
  close(session: number): void {
    if (!this.#sessions.delete(session) || this.#ended) return;
    this.ask(session, { kind: 'close' }).catch(() => {});
  }

  get ended(): Error | undefined {
    return this.#ended;
  }

  dispose(): void {
    this.#end(unloadedError());
    this.backend.dispose();
  }

  /** For tests: the workers. */
  get workers(): readonly RuntimeWorker[] {
    return this.#workers;
  }

  #start(stage: number): void {
    const text = async () => (await import('#workers/layers.text')).default;
    const worker = startWorker('layers', text, {
      heard: (message) => this.#hear(message as FromWorker),
      stopped: (why) => {
        const who = `worker ${stage + 1} of ${this.stages.length}`;
        const started = this.#loading === undefined || this.#loading.begun === this.stages.length;
        this.#end(
          started
            ? new DeviceError(`${who} stopped (${why}): load the model again`)
            : new NoWorkersError(`${who} could not be started (${why})`),
        );
      },
    });
    worker.hold(true);
    this.#workers.push(worker);
  }

  #tell(stage: number, message: ToWorker, transfer: Transferable[] = []): void {
    this.#workers[stage].post(message, transfer);
  }

  #hear(message: FromWorker): void {
    const loading = this.#loading;
    switch (message.kind) {
      case 'begun':
      case 'ready':
        if (loading) loading[message.kind]++;
        break;
      case 'stored':
        if (loading) loading.storing -= message.bytes;
        break;
      case 'failed':
        this.#end(errorOf(message.failure));
        break;
      case 'done':
        this.#answered(message);
        break;
    }
    loading?.wake();
  }

  #answered(message: Done): void {
    const pending = this.#pending.get(message.id);
    if (!pending) return;
    this.#sessions.get(pending.session)?.hear(message);
    pending.values[pending.single ? 0 : message.stage] = message.value;
    pending.failure ??= message.failure;
    pending.left--;
    if (pending.left > 0 && !(message.failure && pending.fails)) return;
    this.#pending.delete(message.id);
    if (this.#pending.size === 0) this.#hold(false);
    if (pending.failure) pending.reject(errorOf(pending.failure));
    else pending.resolve(pending.values);
  }

  #end(why: Error): void {
    if (this.#ended) return;
    this.#ended = why;
    for (const worker of this.#workers) worker.terminate();
    for (const { reject } of this.#pending.values()) reject(why);
    this.#pending.clear();
    this.#sessions.clear();
    this.#loading?.wake();
  }

  /** In Node: whether workers keep the process alive; they do while something is asked of them. */
  #hold(held: boolean): void {
    for (const worker of this.#workers) worker.hold(held);
  }
}
