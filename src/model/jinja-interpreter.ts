// @huggingface/jinja's interpreter, with what it (0.5.11) does otherwise than the Jinja of
// transformers: arguments of strip, keys with names of methods, variables and jumps in loops, equality.
// It bounds nothing, but tells how much is compared.
import { Environment, Interpreter } from '@huggingface/jinja';

/**
 * A value and a node as the library has them (its declarations do not resolve in every setting).
 */
export interface Value {
  readonly type?: string;
  readonly value: unknown;
  readonly builtins?: ReadonlyMap<string, Value>;
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

/** What of a call, a loop, a comparison and a known value is read here. */
interface Call extends Node {
  readonly args: readonly Node[];
  readonly callee: Node & {
    readonly computed: boolean;
    readonly object: Node;
    readonly property: { readonly value?: string };
  };
}
interface Loop extends Node {
  readonly body: readonly Node[];
}
interface Comparison extends Node {
  readonly operator: { readonly value: string };
  readonly left: Node;
  readonly right: Node;
}
interface Known extends Node {
  readonly value: Value;
}
const known = (value: Value): Known => ({ type: 'Known', value });

/** Methods of a dictionary: written as a call, they are meant even where a key has their name. */
const METHODS = ['get', 'items', 'keys', 'values'];
const STRIPS = ['strip', 'lstrip', 'rstrip'];

/** A `break` or `continue` on its way to its loop, with the text in front of it. */
class Jump extends Error {
  text = '';
  readonly node: Node;
  constructor(node: Node) {
    super(node.type);
    this.node = node;
  }
}

/** A loop that runs: what its turns wrote before they were left, and whether one came to its end. */
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
      case 'Known':
        return (node as Known).value;
      case 'CallExpression':
        return this.#call(node as Call, scope);
      case 'For':
        return this.#loop(node as Loop, scope);
      case 'BinaryExpression':
        return this.#compared(node as Comparison, scope);
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

  /** Told of each pair of values that are compared. */
  spend(_steps: number): void {}

  /** == and != by value and kind, as in Python; the library leaves them to JavaScript's ==. */
  #compared(node: Comparison, scope: Scope): Value {
    if (node.operator.value !== '==' && node.operator.value !== '!=')
      return super.evaluate(node, scope);
    const left = this.evaluate(node.left, scope);
    const equal = this.#equal(left, this.evaluate(node.right, scope));
    const [one, other] = [known({ value: 1 }), known({ value: equal ? 1 : 0 })];
    return super.evaluate({ ...node, left: one, right: other } as Node, scope);
  }

  /** Differs: what is missing equals none, as callers leave out what transformers sets to None. */
  #equal(left: Value, right: Value): boolean {
    this.spend(1);
    const [a, b] = [left.value, right.value];
    if (a === b) return true;
    if (a === undefined || a === null) return b === undefined || b === null;
    if (isNumber(a) && isNumber(b)) return Number(a) === Number(b);
    if (left.type !== right.type) return false;
    if (Array.isArray(a) && Array.isArray(b))
      return a.length === b.length && a.every((one: Value, i) => this.#equal(one, b[i]));
    if (!(a instanceof Map && b instanceof Map) || a.size !== b.size) return false;
    return [...a].every(([key, one]) => b.has(key) && this.#equal(one, b.get(key)));
  }

  #text(value: string, scope: Scope): Value {
    return Object.assign(super.evaluateBlock([], scope), { value });
  }

  #call(node: Call, scope: Scope): Value {
    const { args, callee } = node;
    const name =
      (callee.type === 'MemberExpression' && !callee.computed && callee.property.value) || '';
    if (!METHODS.includes(name) && !(STRIPS.includes(name) && args.length === 1))
      return super.evaluate(node, scope);
    const object = this.evaluate(callee.object, scope);
    if (typeof object.value === 'string' && args.length === 1) {
      const set = this.evaluate(args[0], scope);
      if (typeof set.value === 'string') return strip(object.value, name, set.value);
    }
    const method =
      object.value instanceof Map && object.value.has(name) && object.builtins?.get(name);
    const called = method ? known(method) : { ...callee, object: known(object) };
    return super.evaluate({ ...node, callee: called } as Node, scope);
  }
}

const isNumber = (value: unknown) => typeof value === 'number' || typeof value === 'boolean';

/** text.strip(characters), of which the library ignores the characters. */
function strip(text: string, name: string, set: string): Value {
  const characters = new Set(set);
  const all = [...text];
  let [first, end] = [0, all.length];
  if (name !== 'rstrip') while (first < end && characters.has(all[first])) first++;
  if (name !== 'lstrip') while (end > first && characters.has(all[end - 1])) end--;
  return new Scope().set('text', all.slice(first, end).join(''));
}
