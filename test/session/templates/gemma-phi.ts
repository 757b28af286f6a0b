// Gemma 2 and 3, Phi 3 and 4.
import { type Family, IM } from './family.ts';

const gemma = {
  bos: '<bos>',
  eos: '<eos>',
  control: ['<start_of_turn>', '<end_of_turn>', '<start_of_image>'],
  strict: true,
};

export const gemmaPhi: readonly Family[] = [
  {
    name: 'gemma 2',
    ...gemma,
    system: 'never',
    plain: 'user',
    source:
      `{{ bos_token }}{% if messages[0]['role'] == 'system' %}` +
      `{{ raise_exception('There is no system role') }}{% endif %}` +
      `{% for message in messages %}` +
      `{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}` +
      `{{ raise_exception('Roles must take turns') }}{% endif %}` +
      `{% if (message['role'] == 'assistant') %}{% set role = 'model' %}` +
      `{% else %}{% set role = message['role'] %}{% endif %}` +
      String.raw`{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>` +
      String.raw`\n' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}` +
      `{% endif %}`,
  },
  {
    name: 'gemma 3',
    later: 'user',
    ...gemma,
    plain: 'system',
    source: String.raw`{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set first_user_prefix = messages[0]['content'] + '\n\n' -%}
    {%- else -%}
        {%- set first_user_prefix = messages[0]['content'][0]['text'] + '\n\n' -%}
    {%- endif -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set first_user_prefix = "" -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("Roles must take turns") }}
    {%- endif -%}
    {%- if (message['role'] == 'assistant') -%}
        {%- set role = "model" -%}
    {%- else -%}
        {%- set role = message['role'] -%}
    {%- endif -%}
    {{ '<start_of_turn>' + role + '\n' + (first_user_prefix if loop.first else "") }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}
            {%- if item['type'] == 'image' -%}
                {{ '<start_of_image>' }}
            {%- elif item['type'] == 'text' -%}
                {{ item['text'] | trim }}
            {%- endif -%}
        {%- endfor -%}
    {%- else -%}
        {{ raise_exception("Content is text or parts") }}
    {%- endif -%}
    {{ '<end_of_turn>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{'<start_of_turn>model\n'}}
{%- endif -%}
`,
  },
  {
    name: 'phi 3',
    bos: '<s>',
    eos: '<|endoftext|>',
    control: ['<|system|>', '<|user|>', '<|assistant|>', '<|end|>'],
    plain: 'system',
    source: `{% for message in messages %}{% if message['role'] == 'system' -%}
{{'<|system|>
' + message['content'] + '<|end|>
'}}{% elif message['role'] == 'user' %}{{'<|user|>
' + message['content'] + '<|end|>
'}}{% elif message['role'] == 'assistant' %}{{'<|assistant|>
' + message['content'] + '<|end|>
'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>
' }}{% else %}{{ eos_token }}{% endif %}`,
  },
  {
    name: 'phi 4',
    bos: '<|endoftext|>',
    eos: '<|im_end|>',
    control: [...IM, '<|im_sep|>'],
    plain: 'system',
    source:
      `{% for message in messages %}{% if (message['role'] == 'system') %}` +
      `{{'<|im_start|>system<|im_sep|>' + message['content'] + '<|im_end|>'}}` +
      `{% elif (message['role'] == 'user') %}` +
      `{{'<|im_start|>user<|im_sep|>' + message['content'] + '<|im_end|>'}}` +
      `{% elif (message['role'] == 'assistant') %}` +
      `{{'<|im_start|>assistant<|im_sep|>' + message['content'] + '<|im_end|>'}}` +
      `{% endif %}{% endfor %}` +
      `{% if add_generation_prompt %}{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}`,
  },
];
