#!/usr/bin/env bash
# @huggingface/jinja 0.5.11 compares with JavaScript's ==: an empty text equals false, lists never.
#
# Guess: a template engine for Python's templates compares as Python does, or at least with ===; its
#        values are classes of their own, so that JavaScript's conversions have no place to happen.
# Seen:  == unwraps the values and leaves them to JavaScript. '' equals false, 0 and [], ['a']
#        equals 'a', '1' equals 1; two lists or dictionaries of equal content differ. The lines of
#        Llama 2's template that set system_message to false where there is none, then ask whether
#        it is != false, leave out an empty system message, whose markers Jinja writes.
# Jinja writes: <<SYS>>|<</SYS>> for it; False 5 times; True 2 times.
# Why:   parts of content, tool lists and answers of tools ('' and '0') are compared in templates,
#        and the prompt changes without an error. recollect compares by value and kind.
# Fails if that changes. Needs Node 20 or newer and npm.
. "$(dirname "$0")/lib/alone.sh"
alone @huggingface/jinja@0.5.11
cat > render.mjs <<'JS'
import { Template } from '@huggingface/jinja';

const llama2 = new Template(
  "{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] %}" +
    '{% else %}{% set system = false %}{% endif %}' +
    "{{ '<<SYS>>' ~ system ~ '|<</SYS>>' if system != false }}",
);
for (const content of ['Be brief.', ''])
  console.log(`'${content}': [${llama2.render({ messages: [{ role: 'system', content }] })}]`);
const pairs = ["'' == false", "0 == ''", "[] == ''", "['a'] == 'a'", "'1' == 1"];
for (const pair of [...pairs, '[] == []', "{'a': 1} == {'a': 1}"])
  console.log(`${pair}: ${new Template(`{{ ${pair} }}`).render({})}`);
JS
output=$(node render.mjs)
echo "node $(node --version), @huggingface/jinja 0.5.11"
echo "$output"
[ "$output" = "'Be brief.': [<<SYS>>Be brief.|<</SYS>>]
'': []
'' == false: true
0 == '': true
[] == '': true
['a'] == 'a': true
'1' == 1: true
[] == []: false
{'a': 1} == {'a': 1}: false" ] ||
  { echo 'this has changed'; exit 1; }
