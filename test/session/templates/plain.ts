// Families whose markup is little more than roles, and the kinds of templates that no family is
// named after: content as parts, a system message required, tools declared.
import { type Family, IM, TOOLS } from './family.ts';

const im = { bos: '<|endoftext|>', eos: '<|im_end|>', control: IM };
const chatml =
  String.raw`{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + ` +
  String.raw`message['content'] + '<|im_end|>' + '\n'}}{% endfor %}` +
  String.raw`{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`;

export const plain: readonly Family[] = [
  { name: 'chatml', ...im, plain: 'system', source: chatml },
  {
    name: 'chatml, CR LF',
    ...im,
    plain: 'system',
    source: [
      '{% for message in messages %}',
      "{{ '<|im_start|>' + message['role'] }}",
      "{{ message['content'] }}<|im_end|>",
      '{% endfor %}',
      '{% if add_generation_prompt %}',
      '<|im_start|>assistant',
      '{% endif %}',
      '',
    ].join('\r\n'),
  },
  {
    name: 'zephyr',
    bos: '<s>',
    eos: '</s>',
    plain: 'system',
    source: String.raw`{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>\n' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>\n' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>\n'  + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}`,
  },
  {
    name: 'vicuna',
    later: 'user',
    bos: '<s>',
    eos: '</s>',
    plain: 'system',
    source: `{{ bos_token }}{% if messages[0]['role'] == 'system' %}
{%- set lead = messages[0]['content'] | trim + ' ' %}{% set messages = messages[1:] %}
{%- else %}{% set lead = 'Somebody asks, a model answers. ' %}{% endif %}{{ lead }}
{%- for message in messages %}{% if message['role'] == 'user' %}
{{- 'USER: ' + message['content'] | trim + ' ' }}{% elif message['role'] == 'assistant' %}
{{- 'ASSISTANT: ' + message['content'] | trim + eos_token }}{% endif %}{% endfor %}
{%- if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}`,
  },
  {
    name: 'alpaca',
    bos: '<s>',
    eos: '</s>',
    system: 'never',
    plain: 'user',
    source: String.raw`{{ bos_token }}{% for message in messages %}
{% if message['role'] == 'user' -%}
{{ '### Instruction:\n' + message['content'] + '\n\n' -}}
{% elif message['role'] == 'assistant' -%}
{{ '### Response:\n' + message['content'] + eos_token + '\n\n' -}}
{% endif %}{% endfor %}
{% if add_generation_prompt %}{{ '### Response:\n' }}{% endif %}`,
  },
  {
    name: 'openchat',
    bos: '<s>',
    eos: '<|end_of_turn|>',
    plain: 'system',
    source:
      `{{ bos_token }}{% for message in messages %}` +
      `{{ 'GPT4 Correct ' + message['role'].title() + ': ' + message['content'] + ` +
      `'<|end_of_turn|>'}}{% endfor %}` +
      `{% if add_generation_prompt %}{{ 'GPT4 Correct Assistant:' }}{% endif %}`,
  },
  {
    name: 'content as parts',
    ...im,
    parts: true,
    plain: 'system',
    source: String.raw`{% for message in messages %}
{{ '<|im_start|>' + message['role'] + '\n' }}
{%- for part in message['content'] %}
{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}
{% endfor %}
{{- '<|im_end|>\n' }}
{%- endfor %}
{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`,
  },
  {
    name: 'system required',
    ...im,
    system: 'always',
    plain: 'system',
    source:
      `{% if messages[0]['role'] != 'system' %}{{ raise_exception('System first!') }}` +
      `{% endif %}${chatml}`,
  },
  {
    name: 'tools declared',
    ...im,
    plain: 'system',
    options: { tools: TOOLS },
    source:
      String.raw`{% if tools %}{{ '<|im_start|>system\n# Tools' }}{% for tool in tools %}` +
      String.raw`{{ '\n' + tool['function']['name'] + ': ' }}` +
      `{% for key in tool['function']['parameters']['properties'] %}{{ key }}` +
      `{% if not loop.last %}, {% endif %}{% endfor %}{% endfor %}` +
      String.raw`{{ '<|im_end|>\n' }}{% endif %}${chatml}`,
  },
];
