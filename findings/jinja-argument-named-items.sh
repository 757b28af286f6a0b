#!/usr/bin/env bash
# @huggingface/jinja 0.5.11 cannot walk over a dictionary that has a key named items.
#
# Guess: arguments.items() is the method, whatever the keys are: in Jinja a dot asks for the
#        attribute first and for the key second.
# Seen:  a dot asks for the key first, in calls too. A tool call with an argument named items, keys,
#        values or get ends the rendering of the whole conversation with "Cannot call something that
#        is not a function"; the filter form (arguments | items) works.
# Why:   templates of tool-calling models write .items() over arguments that the model itself names,
#        and every JSON schema of a list has a key items: the failure comes with the data, long
#        after the template was tested. recollect calls the method.
# Fails if that changes. Needs Node 20 or newer and npm.
. "$(dirname "$0")/lib/alone.sh"
alone @huggingface/jinja@0.5.11
cat > render.mjs <<'JS'
import { Template } from '@huggingface/jinja';

const forms = {
  'items()': '{% for name, value in arguments.items() %}{{ name }}={{ value }};{% endfor %}',
  '| items': '{% for name, value in arguments | items %}{{ name }}={{ value }};{% endfor %}',
  'get()': "{{ arguments.get('basket') }}",
};
const calls = ['things', 'items', 'get'].map((name) => ({ basket: 7, [name]: 'pear' }));
for (const [form, source] of Object.entries(forms))
  for (const arguments_ of calls) {
    let text;
    try {
      text = new Template(source).render({ arguments: arguments_ });
    } catch (error) {
      text = error.message;
    }
    console.log(`${form} over ${Object.keys(arguments_)}: ${text}`);
  }
JS
output=$(node render.mjs)
echo "node $(node --version), @huggingface/jinja 0.5.11"
echo "$output"
[ "$output" = "items() over basket,things: basket=7;things=pear;
items() over basket,items: Cannot call something that is not a function: got StringValue
items() over basket,get: basket=7;get=pear;
| items over basket,things: basket=7;things=pear;
| items over basket,items: basket=7;items=pear;
| items over basket,get: basket=7;get=pear;
get() over basket,things: 7
get() over basket,items: 7
get() over basket,get: Cannot call something that is not a function: got StringValue" ] ||
  { echo 'this has changed'; exit 1; }
