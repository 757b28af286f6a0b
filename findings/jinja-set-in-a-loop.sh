#!/usr/bin/env bash
# @huggingface/jinja 0.5.11 hands a variable that is set in a loop on to the next turn of that loop.
#
# Guess: as in Jinja, {% set %} in the body of a loop lives until the end of that turn: that is why
#        templates have namespace().
# Seen:  one scope serves all turns. A variable that a template sets for some messages only, a
#        thought or a tool's name, is still there for the messages that follow; after the loop it is
#        gone, as it should be. Nothing is thrown: the model reads an old thought again in later
#        turns.
# Jinja writes: ask answer(thought) ask2 answer2
# Why:   whoever runs a GGUF's chat template in JavaScript gets another prompt than the model was
#        trained on. recollect gives each turn its own scope.
# Fails if that changes. Needs Node 20 or newer and npm.
. "$(dirname "$0")/lib/alone.sh"
alone @huggingface/jinja@0.5.11
cat > render.mjs <<'JS'
import { Template } from '@huggingface/jinja';

const messages = [
  { role: 'user', content: 'ask' },
  { role: 'assistant', content: 'answer', thought: 'thought' },
  { role: 'user', content: 'ask2' },
  { role: 'assistant', content: 'answer2' },
];
const template = new Template(
  '{%- for message in messages %}' +
    '{%- if message.thought is defined %}{%- set thought = message.thought %}{%- endif %}' +
    "{{- message.content }}{{- '(' ~ thought ~ ')' if thought is defined }}" +
    "{{- ' ' if not loop.last }}" +
    '{%- endfor %}',
);
console.log(template.render({ messages }));
const behind = '{% for i in [1] %}{% set x = i %}{% endfor %}behind the loop: {{ x is defined }}';
console.log(new Template(behind).render({}));
JS
output=$(node render.mjs)
echo "node $(node --version), @huggingface/jinja 0.5.11"
echo "$output"
[ "$output" = "ask answer(thought) ask2(thought) answer2(thought)
behind the loop: false" ] ||
  { echo 'this has changed'; exit 1; }
