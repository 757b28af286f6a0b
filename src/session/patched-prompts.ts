// The patched prompts that rate rows: instruction and text, as tokens. What they are for is in
// docs/policies.md; who forwards them, in engine/run.ts.
import type { Tokenizer } from '../model/tokenizer.ts';
import type { Framing } from './framing.ts';
import type { Instructions } from './option-kinds.ts';

export class PatchedPrompts {
  readonly #tokenizer: Tokenizer;
  readonly #framing: Framing;
  readonly #instructions: Instructions;

  constructor(tokenizer: Tokenizer, framing: Framing, instructions: Instructions) {
    this.#tokenizer = tokenizer;
    this.#framing = framing;
    this.#instructions = instructions;
  }

  /** What rates a block: the summary's instruction, or one to repeat, and the block. */
  ofBlocks(kind: keyof Instructions): (block: readonly number[]) => readonly number[] {
    const lead = this.tokens(kind, '');
    return kind === 'summary' ? () => lead : (block) => [...lead, ...block];
  }

  /** Instruction and assistant turn where there is an instruction, then the text. */
  tokens(kind: keyof Instructions, text: string): number[] {
    const instruction = this.#instructions[kind];
    const lead =
      instruction === '' && kind !== 'summary' ? '' : instruction + this.#framing.opening();
    const tokens = this.#tokenizer.encode(lead + text);
    if (tokens.length > 0 || (text === '' && kind !== 'summary')) return tokens;
    // a prompt of nothing could not look: without instruction and template a line break stands for
    // the summary's beginning
    return this.#tokenizer.encode('\n');
  }
}
