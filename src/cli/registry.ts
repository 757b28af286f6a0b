// The commands, in the order --help lists them. A new one: its file, and its line here.
import type { Command } from './command.ts';
import { chat } from './commands/chat.ts';
import { demo } from './commands/demo.ts';
import { episodes } from './commands/episodes.ts';
import { evalCommand } from './commands/eval.ts';
import { logits } from './commands/logits.ts';
import { merge } from './commands/merge.ts';
import { profile } from './commands/profile.ts';
import { score } from './commands/score.ts';
import { splitGenerate } from './commands/split-generate.ts';
import { splitServe } from './commands/split-serve.ts';
import { splitTrain } from './commands/split-train.ts';
import { train } from './commands/train.ts';

export const commands: readonly Command[] = [
  demo,
  chat,
  evalCommand,
  episodes,
  logits,
  merge,
  profile,
  score,
  train,
  splitServe,
  splitTrain,
  splitGenerate,
];
