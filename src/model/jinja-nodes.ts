// The syntax tree of a template as @huggingface/jinja has it: what is read of its nodes, and where
// in it a value is written, or walked through by a loop.

export interface Named {
  readonly type: string;
  readonly value: string;
}
export interface Call {
  readonly type: 'CallExpression';
  readonly callee: Member | (Named & { readonly type: 'Identifier' });
  readonly args: readonly Expression[];
}
export interface Filtered {
  readonly type: 'FilterExpression';
  readonly operand: object;
  readonly filter: (Named & { readonly type: 'Identifier' }) | (Call & { readonly callee: Named });
}
export interface Member {
  readonly type: 'MemberExpression';
  readonly object: object;
  readonly property: Named;
  readonly computed: boolean;
}
export interface Operation {
  readonly type: 'BinaryExpression';
  readonly operator: { readonly value: string };
  readonly left: object;
  readonly right: object;
}
export type Expression =
  | Call
  | Filtered
  | Member
  | Operation
  | {
      readonly type: 'TestExpression';
      readonly operand: object;
      readonly test: Named;
      readonly negate: boolean;
    }
  | {
      readonly type: 'KeywordArgumentExpression';
      readonly key: Named;
      readonly value: object;
    }
  | { readonly type: 'Identifier' };

/** Expressions whose value becomes text of the whole, and those that a loop goes through. */
export interface Places {
  readonly written: WeakSet<object>;
  readonly walked: WeakSet<object>;
}

const STATEMENTS = new Set(
  'If For Set Macro CallStatement FilterStatement Break Continue Comment'.split(' '),
);
/** Fields that hold what is written in turn. */
const BODIES = ['body', 'alternate', 'defaultBlock'];

export function findPlaces(program: object): Places {
  const places = { written: new WeakSet<object>(), walked: new WeakSet<object>() };
  // no recursion: a template nests as deep as its file says
  const left: object[] = [program];
  for (let node = left.pop(); node; node = left.pop()) {
    const fields = node as Readonly<Record<string, unknown>>;
    for (const name of BODIES) {
      const body = fields[name];
      for (const one of Array.isArray(body) ? (body as { type: string }[]) : [])
        if (!STATEMENTS.has(one.type)) places.written.add(one);
    }
    if (fields.type === 'For') {
      const { iterable } = fields as { iterable: { type: string; lhs: object } };
      places.walked.add(iterable.type === 'SelectExpression' ? iterable.lhs : iterable);
    }
    const inside = node instanceof Map ? [...node].flat() : Object.values(node);
    for (const one of inside) if (typeof one === 'object' && one !== null) left.push(one);
  }
  return places;
}
