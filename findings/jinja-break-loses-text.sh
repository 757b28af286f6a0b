#!/usr/bin/env bash
# @huggingface/jinja 0.5.11 loses what a turn of a loop wrote before its break or continue.
#
# Guess: output is written as it comes, so that leaving a turn leaves what is already there; only
#        what follows is skipped.
# Seen:  both are exceptions, and the text of the turn is lost with them, also that of a loop inside
#        it that had come to its end. Blocks are printed in pieces by most templates, so a message's
#        opening marker goes while its neighbours stay.
# Jinja writes: <user>a</user><tool>b<user>c</user>   and   <user>a</user><tool>b   and   12-12-
# Why:   continue and break are the loop controls of the transformers library's templates. recollect
#        keeps the text.
# Fails if that changes. Needs Node 20 or newer and npm.
. "$(dirname "$0")/lib/alone.sh"
alone @huggingface/jinja@0.5.11
cat > render.mjs <<'JS'
import { Template } from '@huggingface/jinja';

const messages = [
  { role: 'user', content: 'a' },
  { role: 'tool', content: 'b' },
  { role: 'user', content: 'c' },
];
for (const word of ['continue', 'break']) {
  const template = new Template(
    '{%- for m in messages -%}<{{ m.role }}>{{ m.content }}' +
      `{%- if m.role == 'tool' -%}{%- ${word} -%}{%- endif -%}</{{ m.role }}>{%- endfor -%}`,
  );
  console.log(`${word}: ${template.render({ messages })}`);
}
const inner =
  '{% for i in [1, 2] %}{% for j in [1, 2] %}{{ j }}{% endfor %}-{% continue %}{% endfor %}';
console.log(`a loop inside: '${new Template(inner).render({})}'`);
JS
output=$(node render.mjs)
echo "node $(node --version), @huggingface/jinja 0.5.11"
echo "$output"
[ "$output" = "continue: <user>a</user><user>c</user>
break: <user>a</user>
a loop inside: ''" ] ||
  { echo 'this has changed'; exit 1; }
