// The library's interpreter with a bound on what it may do, and with Python's values: what
// jinja-python.ts knows better is done there, all else by the library.
import { ChatInterpreter } from './jinja-interpreter.ts';
import type { Call, Expression, Filtered, Member, Operation, Places } from './jinja-nodes.ts';
import { type Arguments, filters, methods, operate, test } from './jinja-python.ts';
import {
  isInt,
  isList,
  isMapping,
  isText,
  isUndefined,
  list,
  type Scope,
  show,
  text,
  truth,
  type Value,
} from './jinja-values.ts';

/**
 * Deepest nesting while it runs, through macros too: what a stack of a browser's worker has room
 * for.
 */
const MAX_DEPTH = 500;
/** Characters that count as a step where they are looked at together. */
const CHARS_PER_STEP = 64;
type Node = object | undefined;
// (values are told apart more closely here)
const Base = ChatInterpreter as unknown as new (scope: Scope) => {
  evaluate(node: Node, scope: Scope): Value;
  run(program: object): Value;
};

export class Overdone extends Error {}

/** Stands for an expression that has been evaluated. */
class Known {
  readonly value: Value;
  constructor(value: Value) {
    this.value = value;
  }
}

export class BoundedInterpreter extends Base {
  #steps: number;
  readonly #longest: number;
  readonly #places: Places;
  #depth = 0;

  constructor(environment: Scope, places: Places, steps: number, longest: number) {
    super(environment);
    this.#places = places;
    this.#steps = steps;
    this.#longest = longest;
  }

  spend(steps: number): void {
    this.#steps -= steps;
    if (this.#steps < 0) throw new Overdone('it takes too many steps');
  }

  override evaluate(node: Node, scope: Scope): Value {
    if (node instanceof Known) return node.value;
    this.spend(1);
    if (++this.#depth > MAX_DEPTH)
      throw new Overdone('its macros or expressions are nested too deep');
    let value: Value;
    try {
      value = this.#pythonic(node as Expression | undefined, scope);
    } finally {
      this.#depth--; // break and continue are thrown, too
    }
    if (node && this.#places.written.has(node) && !isUndefined(value)) value = text(show(value));
    else if (node && this.#places.walked.has(node) && (isText(value) || isUndefined(value)))
      value = list([...show(value)].map(text));
    if (typeof value.value === 'string') {
      const { length } = value.value;
      if (length > this.#longest) throw new Overdone('it writes too long a text');
      this.spend(length / CHARS_PER_STEP);
    } else if (Array.isArray(value.value)) this.spend(value.value.length);
    return value;
  }

  /** What Python makes of an expression: some operations here, the rest by the library. */
  #pythonic(node: Expression | undefined, scope: Scope): Value {
    switch (node?.type) {
      case 'BinaryExpression':
        return this.#operation(node, scope);
      case 'CallExpression':
        return this.#call(node, scope);
      case 'FilterExpression':
        return this.#filtered(node, scope);
      case 'TestExpression': {
        const operand = this.evaluate(node.operand, scope);
        const held = test(node.test.value, operand, undefined);
        if (held !== undefined) return truth(held !== node.negate);
        return super.evaluate({ ...node, operand: new Known(operand) }, scope);
      }
      case 'MemberExpression':
        return this.#member(node, scope);
      default:
        return super.evaluate(node, scope);
    }
  }

  #operation(node: Operation, scope: Scope): Value {
    const operator = node.operator.value;
    const left = this.evaluate(node.left, scope);
    if (operator === 'and' || operator === 'or')
      return left.__bool__().value === (operator === 'or')
        ? left
        : this.evaluate(node.right, scope);
    const right = this.evaluate(node.right, scope);
    return (
      operate(operator, left, right, this.#longest) ??
      super.evaluate({ ...node, left: new Known(left), right: new Known(right) }, scope)
    );
  }

  #call(node: Call, scope: Scope): Value {
    const { callee } = node;
    if (callee.type !== 'MemberExpression' || callee.computed) return super.evaluate(node, scope);
    const self = this.evaluate(callee.object, scope);
    const name = callee.property.value;
    const known = { ...callee, object: new Known(self) };
    if (isText(self) && Object.hasOwn(methods, name)) {
      const args = this.#arguments(node.args, scope);
      const made = args && methods[name](self.value, args);
      if (made) return made;
    } else if (isMapping(self) && self.value.has(name)) {
      // methods come before keys: a tool may have a parameter called 'items'
      const method = self.builtins.get(name);
      if (method) return super.evaluate({ ...node, callee: new Known(method) }, scope);
    }
    return super.evaluate({ ...node, callee: known }, scope);
  }

  #filtered(node: Filtered, scope: Scope): Value {
    const operand = this.evaluate(node.operand, scope);
    const { filter } = node;
    const name = filter.type === 'CallExpression' ? filter.callee.value : filter.value;
    const nodes = (filter.type === 'CallExpression' && filter.args) || [];
    const made =
      this.#each(name, operand, nodes, scope) ??
      (Object.hasOwn(filters, name) ? this.#byName(name, operand, nodes, scope) : undefined);
    return made ?? super.evaluate({ ...node, operand: new Known(operand) }, scope);
  }

  #byName(name: string, operand: Value, nodes: readonly Expression[], scope: Scope) {
    const args = this.#arguments(nodes, scope);
    return args && filters[name](operand, args);
  }

  /** Filters that hold each item against a test, or give it to another filter. */
  #each(name: string, operand: Value, nodes: readonly Expression[], scope: Scope) {
    if (!isList(operand) || nodes.some(({ type }) => !isPositional(type))) return undefined;
    const [first, second] = nodes.map((node) => this.evaluate(node, scope));
    const selects = name === 'select' || name === 'selectattr';
    if (selects || name === 'reject' || name === 'rejectattr') {
      const byAttribute = name.endsWith('attr');
      const [testName, other] = byAttribute
        ? [second, nodes[2] && this.evaluate(nodes[2], scope)]
        : [first, second];
      return list(
        operand.value.filter((item) => {
          const one = byAttribute ? this.#attribute(item, first, scope) : item;
          return this.#holds(testName, one, other, scope) === selects;
        }),
      );
    }
    if (name !== 'map' || !first || !isText(first)) return undefined;
    const [, ...args] = nodes;
    const callee = { type: 'Identifier', value: first.value };
    const filter = args.length > 0 ? { type: 'CallExpression', callee, args } : callee;
    const given = (item: Value) => ({
      type: 'FilterExpression',
      operand: new Known(item),
      filter,
    });
    return list(operand.value.map((item) => this.evaluate(given(item), scope)));
  }

  #attribute(item: Value, name: Value, scope: Scope): Value {
    const [object, property] = [new Known(item), new Known(name)];
    return this.evaluate({ type: 'MemberExpression', object, property, computed: true }, scope);
  }

  #holds(name: Value | undefined, v: Value, other: Value | undefined, scope: Scope): boolean {
    if (!name) return v.__bool__().value;
    const own = test(String(name.value), v, other);
    if (own !== undefined) return own;
    const node = { type: 'TestExpression', operand: new Known(v), test: name, negate: false };
    return super.evaluate(node, scope).__bool__().value;
  }

  /** text[0]: a character, not half of one. */
  #member(node: Member, scope: Scope): Value {
    const self = this.evaluate(node.object, scope);
    const known = { ...node, object: new Known(self) };
    if (!isText(self) || !node.computed || node.property.type === 'SliceExpression')
      return super.evaluate(known, scope);
    const at = this.evaluate(node.property, scope);
    if (!isInt(at)) return super.evaluate({ ...known, property: new Known(at) }, scope);
    const found = [...self.value].at(at.value);
    return found === undefined ? super.evaluate(undefined, scope) : text(found);
  }

  /** Arguments of a call; undefined where a list is spread over them. */
  #arguments(nodes: readonly Expression[], scope: Scope): Arguments | undefined {
    const all: Value[] = [];
    const named = new Map<string, Value>();
    for (const node of nodes) {
      if (node.type === 'KeywordArgumentExpression')
        named.set(node.key.value, this.evaluate(node.value, scope));
      else if (isPositional(node.type)) all.push(this.evaluate(node, scope));
      else return undefined;
    }
    return { all, named };
  }
}

const isPositional = (type: string) =>
  !['KeywordArgumentExpression', 'SpreadExpression', 'KeywordSpreadExpression'].includes(type);
