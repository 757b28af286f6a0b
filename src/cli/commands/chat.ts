// recollect chat: an interactive conversation that goes on past its budget.
import { rowTypeNames } from '../../backend/dtype.ts';
import { createSampler } from '../../engine/sample.ts';
import { findPolicy, policies } from '../../policy/registry.ts';
import { openConversation } from '../../session/conversation.ts';
import {
  anyNumber,
  type Command,
  oneOf,
  UsageError,
  wholeNumber,
  wholeOrAuto,
} from '../command.ts';
import { help } from '../chat/commands.ts';
import { converse } from '../chat/converse.ts';
import { readText } from '../files.ts';
import { aboutModels, describeKernels, loadWithProgress } from '../load.ts';
import { fold } from '../words.ts';

const DEFAULT_POLICY = 'keydiff';

export const chat: Command = {
  name: 'chat',
  summary: 'a conversation that goes on past its budget',
  operands: ['MODEL'],
  about: aboutModels,
  options: {
    budget: { type: 'string' },
    policy: { type: 'string' },
    block: { type: 'string' },
    context: { type: 'string' },
    heads: { type: 'string' },
    temperature: { type: 'string' },
    'top-k': { type: 'string' },
    'top-p': { type: 'string' },
    'min-p': { type: 'string' },
    seed: { type: 'string' },
    'max-tokens': { type: 'string' },
    independent: { type: 'boolean' },
    'cache-type': { type: 'string' },
    recall: { type: 'string' },
    episodes: { type: 'string' },
    threads: { type: 'string' },
    pipeline: { type: 'string' },
    system: { type: 'string' },
    verbose: { type: 'boolean' },
  },
  help: `
usage: recollect chat MODEL [--budget 64MB] [--policy keydiff] [--system TEXT]
                      [--context FILE] ...

Talks with a model (a .gguf path or URL). Whatever the conversation's length,
its memory stays within --budget. What is said is read from standard input, a
line a turn; pasted lines are one turn.

In the chat:
${help()}

Memory and text:
  --budget B         bytes for cache and working memory (64MB), or a number of
                     tokens kept per kv head
  --policy NAME      what is kept (keydiff); one of those below
  --heads KIND       uniform or adaptive
  --block N          tokens forwarded, and evicted after, at a time (256)
  --system TEXT      the system message
  --context FILE     text to take in before the first question
  --independent      forget each question and reply before the next
  --cache-type T     f16, f32, or of few bits: int8, int4, int3, kivi-int8,
                     -int4, -int3, -mixed4, -mixed3.5, -mixed3, -mixed2.5
  --recall R         rows, out of the budget, into which what a question needs
                     is forwarded again (0)
  --episodes E       clusters of epicache, or auto (4)

Replies:
  --max-tokens N     longest reply (256)
  --temperature T    0 = greedy (0)
  --top-k K          only the K most probable tokens (0 = all)
  --top-p P          only the most probable ones that make up P together (1)
  --min-p P          only those at least P times as probable as the best (0)
  --seed N           same seed, same replies
  --verbose          tell speed and seed after each reply

Machine:
  --threads N        threads that share the work (default: by the cores)
  --pipeline N       workers that own some of the layers each (default: none,
                     unless the model does not fit into one memory)

Policies:
${fold(policies.map((p) => p.name).join(', '), 78)}`,
  async run([input], values, terminal) {
    const choices = {
      threads: wholeNumber('threads', values.threads, 1),
      pipeline: wholeNumber('pipeline', values.pipeline, 1),
    };
    const ask = {
      temperature: anyNumber('temperature', values.temperature),
      topK: wholeNumber('top-k', values['top-k'], 0),
      topP: anyNumber('top-p', values['top-p']),
      minP: anyNumber('min-p', values['min-p']),
      seed: anyNumber('seed', values.seed),
      maxTokens: wholeNumber('max-tokens', values['max-tokens'], 1),
      keep: !values.independent,
    };
    const { system, context: file, budget = '64MB' } = values as Record<string, string | undefined>;
    if (system?.trim() === '') throw new UsageError('--system is empty, expected a text');
    if (values.independent && system === undefined && file === undefined) {
      throw new UsageError(
        '--independent needs something to ask about: --context FILE or --system TEXT',
      );
    }
    const names = policies.map((p) => p.name);
    const options = {
      budget,
      policy: findPolicy(oneOf('policy', values.policy, names) ?? DEFAULT_POLICY),
      blockSize: wholeNumber('block', values.block, 1),
      heads: oneOf('heads', values.heads, ['uniform', 'adaptive']),
      cacheType: oneOf('cache-type', values['cache-type'], rowTypeNames),
      recall: wholeNumber('recall', values.recall, 0),
      episodes: wholeOrAuto('episodes', values.episodes, 1),
    };
    createSampler(ask); // what is wrong with the arguments shows before a model is loaded
    const context = file === undefined ? undefined : await readText(file);
    const model = await loadWithProgress(input, terminal, choices);
    try {
      const open = () => openConversation(model, options);
      const source = model.metadata['tokenizer.chat_template'];
      const template = typeof source === 'string' && source.trim() !== '';
      if (!template)
        terminal.note(
          'the model has no chat template: it goes on with what you say, as with any text',
        );
      const setup = {
        open,
        budget,
        context,
        system,
        ask: { ...ask, template },
        verbose: values.verbose === true,
      };
      await converse(setup, terminal, describeKernels(model, choices));
    } finally {
      model.dispose();
    }
  },
};
