// @huggingface/jinja's interpreter, with what it (0.5.11) does otherwise than the Jinja of
// transformers where statements are concerned: variables and jumps in loops. It bounds nothing.
import { Environment, Interpreter } from '@huggingface/jinja';

/**
 * A value and a node as the library has them (its declarations do not resolve in every setting).
 */
export interface Value {
  readonly type?: string;
  readonly value: unknown;
}
export interface Node {
  readonly type?: string;
}
export interface Scope {
  set(name: string, value: unknown): Value;
}
const Base = Interpreter as unknown as new (scope: Scope) => {
  evaluate(node: Node | undefined, scope: Scope): Value;
  evaluateBlock(statements: readonly Node[], scope: Scope): Value;
  run(program: object): Value;
};
export const Scope = Environment as unknown as new (parent?: Scope) => Scope;

/** What of a loop is read here. */
interface Loop extends Node {
  readonly body: readonly Node[];
}

/** A `break` or `continue` on its way to its loop, with the text in front of it. */
class Jump extends Error {
  text = '';
  readonly node: Node;
  constructor(node: Node) {
    super(node.type);
    this.node = node;
  }
}

/**
 * A loop that runs: what its turns wrote before they were left, and whether one came to its end.
 */
interface Running {
  readonly body: readonly Node[];
  left: string;
  ended: boolean;
}

export class ChatInterpreter extends Base {
  /** The innermost last. */
  readonly #loops: Running[] = [];

  override evaluate(node: Node | undefined, scope: Scope): Value {
    switch (node?.type) {
      case 'For':
        return this.#loop(node as Loop, scope);
      case 'Break':
      case 'Continue':
        throw new Jump(node);
      default:
        return super.evaluate(node, scope);
    }
  }

  /**
   * Statements one after the other. A turn of a loop has its own variables, as in Jinja (the
   * library hands them on to the next turn), and what it wrote before `break` or `continue` stays
   * (the library loses it).
   */
  override evaluateBlock(statements: readonly Node[], scope: Scope): Value {
    const loop = this.#loops.at(-1);
    const turn = loop?.body === statements ? loop : undefined;
    const inner = turn ? new Scope(scope) : scope;
    let text = '';
    try {
      for (const statement of statements) {
        const value = this.evaluate(statement, inner);
        if (value.type !== 'NullValue' && value.type !== 'UndefinedValue') text += String(value);
      }
    } catch (error) {
      if (!(error instanceof Jump)) throw error;
      error.text = text + error.text;
      if (!turn) throw error;
      turn.left += error.text;
      return super.evaluate(error.node, scope); // throws what the library's loop waits for
    }
    if (turn) {
      text = turn.left + text;
      turn.left = '';
      turn.ended = true;
    }
    return this.#text(text, scope);
  }

  #loop(node: Loop, scope: Scope): Value {
    const loop: Running = { body: node.body, left: '', ended: false };
    this.#loops.push(loop);
    try {
      const { value } = super.evaluate(node, scope);
      // where no turn came to its end, Jinja writes what belongs to `else`, too
      return this.#text(loop.ended ? `${value}${loop.left}` : `${loop.left}${value}`, scope);
    } finally {
      this.#loops.pop();
    }
  }

  #text(value: string, scope: Scope): Value {
    return Object.assign(super.evaluateBlock([], scope), { value });
  }
}
