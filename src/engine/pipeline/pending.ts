// Commands that workers have not answered yet: how many answers are still to come, and what they
// come to.
import { errorOf } from '../../errors.ts';
import { answersOnce, type Done, type Task } from './messages.ts';

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

export class PendingCommands {
  readonly #pending = new Map<number, Pending>();
  readonly #workers: number;
  #commands = 0;

  /** `workers`: how many there are. */
  constructor(workers: number) {
    this.#workers = workers;
  }

  get areNone(): boolean {
    return this.#pending.size === 0;
  }

  /** Number of the next command. */
  next(): number {
    return ++this.#commands;
  }

  /** Awaits the answers to a command, first worker to last. */
  add(
    id: number,
    session: number,
    task: Task,
    resolve: (values: unknown[]) => void,
    reject: (error: Error) => void,
  ): void {
    const single = answersOnce(task);
    const fails = single || task.kind === 'open' || task.kind === 'step' || task.kind === 'append';
    const left = single ? 1 : this.#workers;
    this.#pending.set(id, { session, single, fails, left, values: [], resolve, reject });
  }

  /** Whose command it is; undefined where nobody waits for its answers any more. */
  sessionOf(id: number): number | undefined {
    return this.#pending.get(id)?.session;
  }

  /** Takes an answer in; a command whose answers are complete ends. */
  answer({ id, stage, value, failure }: Done): void {
    const pending = this.#pending.get(id);
    if (!pending) return;
    pending.values[pending.single ? 0 : stage] = value;
    pending.failure ??= failure;
    pending.left--;
    if (pending.left > 0 && !(failure && pending.fails)) return;
    this.#pending.delete(id);
    if (pending.failure) pending.reject(errorOf(pending.failure));
    else pending.resolve(pending.values);
  }

  /** Nothing is answered any more. */
  rejectAll(why: Error): void {
    for (const { reject } of this.#pending.values()) reject(why);
    this.#pending.clear();
  }
}
