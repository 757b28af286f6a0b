// A model's layers in workers that own some of them each: weights, caches and budgets of their
// layers in a memory of their own. Blocks flow through them, several at once, so that prefill gets
// faster with workers without any memory being shared; and a model may be larger than one memory.
import type { Backend } from '../../backend/backend.ts';
import { DeviceError, errorOf } from '../../errors.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { LayerRange } from '../../model/tensors.ts';
import type { RuntimeWorker } from '../../runtime/runtime.ts';
import { startWorker } from '../../runtime/start-worker.ts';
import { type Executor, unloadedError } from '../executor.ts';
import type { Plan } from '../plan.ts';
import { PipelineLayers } from './layers.ts';
import { Loading, NoWorkersError, type PipelineOptions } from './loading.ts';
import type { Done, FromWorker, Task, ToWorker } from './messages.ts';
import { PendingCommands } from './pending.ts';
import { policyData } from './policy-data.ts';

export class PipelineExecutor implements Executor {
  readonly config: ModelConfig;
  readonly backend: Backend;
  readonly layerRanges: readonly LayerRange[];
  readonly depth: number;
  readonly #workers: RuntimeWorker[] = [];
  readonly #pending: PendingCommands;
  readonly #sessions = new Map<number, PipelineLayers>();
  #opened = 0;
  /** Why nothing can be done any more. */
  #ended?: Error;
  /** Until the model is loaded. */
  #loading?: Loading;

  private constructor({ config, backend, layerRanges }: PipelineOptions) {
    this.config = config;
    this.backend = backend;
    this.layerRanges = layerRanges;
    // one block a worker, and one that waits at the first
    this.depth = layerRanges.length + 1;
    this.#pending = new PendingCommands(layerRanges.length);
  }

  /**
   * Starts the workers and loads their weights. Throws as readTensors does, DeviceError where a
   * worker's memory ends, and NoWorkersError where one cannot be started, before anything is read;
   * no worker is left then.
   */
  static async load(options: PipelineOptions): Promise<PipelineExecutor> {
    const executor = new PipelineExecutor(options);
    const loading = new Loading(options, {
      start: (stage) => executor.#start(stage),
      tell: (stage, message, transfer) => executor.#tell(stage, message, transfer),
      get ended() {
        return executor.#ended;
      },
    });
    const wake = () => loading.wake();
    executor.#loading = loading;
    options.signal?.addEventListener('abort', wake);
    try {
      await loading.run();
      executor.#loading = undefined;
      executor.#hold(false);
      return executor;
    } catch (error) {
      executor.#end(new DeviceError('the model was not loaded'));
      throw error;
    } finally {
      options.signal?.removeEventListener('abort', wake);
    }
  }

  open(plan: Plan): PipelineLayers {
    if (this.#ended) throw this.#ended;
    const session = ++this.#opened;
    const data = { ...plan, policy: policyData(plan.policy) };
    const line = { ask: (task: Task) => this.ask(session, task), close: () => this.close(session) };
    const layers = new PipelineLayers(this.layerRanges, line, plan);
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
    const id = this.#pending.next();
    return new Promise((resolve, reject) => {
      const piece = task.kind === 'read' || task.kind === 'write' ? [task.piece.buffer] : [];
      this.#tell(0, { kind: 'command', id, session, task }, piece);
      if (this.#pending.areNone) this.#hold(true);
      this.#pending.add(id, session, task, resolve, reject);
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
        const who = `worker ${stage + 1} of ${this.layerRanges.length}`;
        const started = this.#loading?.hasBegun ?? true;
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
    loading?.hear(message);
    if (message.kind === 'failed') this.#end(errorOf(message.failure));
    else if (message.kind === 'done') this.#answered(message);
    loading?.wake();
  }

  #answered(message: Done): void {
    const session = this.#pending.sessionOf(message.id);
    if (session === undefined) return;
    this.#sessions.get(session)?.hear(message);
    this.#pending.answer(message);
    if (this.#pending.areNone) this.#hold(false);
  }

  #end(why: Error): void {
    if (this.#ended) return;
    this.#ended = why;
    for (const worker of this.#workers) worker.terminate();
    this.#pending.rejectAll(why);
    this.#sessions.clear();
    this.#loading?.wake();
  }

  /** In Node: whether workers keep the process alive; they do while something is asked of them. */
  #hold(held: boolean): void {
    for (const worker of this.#workers) worker.hold(held);
  }
}
