// DeepSeek's distilled models, Command R, OLMo 2, EXAONE 4, Hunyuan, ERNIE 4.5, Falcon 3.
import type { Family } from './family.ts';

const deepseek = (prompt: string) => `
{%- if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}
{%- set ns = namespace(is_first=false, is_tool=false, system_prompt='') %}
{%- for message in messages %}
    {%- if message['role'] == 'system' %}
        {%- set ns.system_prompt = message['content'] %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}{{ ns.system_prompt }}
{%- for message in messages %}
    {%- if message['role'] == 'user' %}
        {%- set ns.is_tool = false %}
        {{- '<｜User｜>' + message['content'] }}
    {%- endif %}
    {%- if message['role'] == 'assistant' and message['content'] is not none %}
        {%- set content = message['content'] %}
        {%- if '</think>' in content %}
            {%- set content = content.split('</think>')[-1] %}
        {%- endif %}
        {{- '<｜Assistant｜>' + content + '<｜end▁of▁sentence｜>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt and not ns.is_tool %}{{ ${prompt} }}{% endif %}`;

const distilled = {
  bos: '<｜begin▁of▁sentence｜>',
  eos: '<｜end▁of▁sentence｜>',
  control: ['<｜User｜>', '<｜Assistant｜>'],
  shown: ['<think>', '</think>'],
  plain: 'system' as const,
};

export const others: readonly Family[] = [
  {
    name: 'deepseek r1, distilled',
    later: 'user',
    ...distilled,
    source: deepseek(`'<｜Assistant｜>'`),
  },
  {
    name: 'deepseek r1, distilled, thinking',
    later: 'user',
    ...distilled,
    source: deepseek(String.raw`'<｜Assistant｜><think>\n'`),
  },
  {
    name: 'command r',
    later: 'user',
    bos: '<BOS_TOKEN>',
    eos: '<|END_OF_TURN_TOKEN|>',
    control: ['<|START_OF_TURN_TOKEN|>', '<|SYSTEM_TOKEN|>', '<|USER_TOKEN|>', '<|CHATBOT_TOKEN|>'],
    strict: true,
    plain: 'system',
    source: `{{ bos_token }}{% if messages[0]['role'] == 'system' %}
{%- set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}
{%- elif false == true %}{% set loop_messages = messages %}
{%- set system_message = 'You are a model that commands.' %}
{%- else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}
{%- if system_message != false %}
{{- '<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>' + system_message + '<|END_OF_TURN_TOKEN|>' }}
{%- endif %}{% for message in loop_messages %}
{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{- raise_exception('Roles must take turns') }}{% endif %}
{%- set content = message['content'] %}{% if message['role'] == 'user' %}
{{- '<|START_OF_TURN_TOKEN|><|USER_TOKEN|>' + content.strip() + '<|END_OF_TURN_TOKEN|>' }}
{%- elif message['role'] == 'assistant' %}
{{- '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>' + content.strip() + '<|END_OF_TURN_TOKEN|>' }}
{%- endif %}{% endfor %}{% if add_generation_prompt %}
{{- '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>' }}{% endif %}`,
  },
  {
    name: 'olmo 2',
    bos: '<|endoftext|>',
    eos: '<|endoftext|>',
    control: ['<|pad|>'],
    plain: 'system',
    source: String.raw`{{ bos_token }}{% for message in messages %}
{%- if message['role'] == 'system' %}{{ '<|system|>\n' + message['content'] + '\n' }}
{%- elif message['role'] == 'user' %}{{ '<|user|>\n' + message['content'] + '\n' }}
{%- elif message['role'] == 'assistant' %}{% if not loop.last %}
{{- '<|assistant|>\n'  + message['content'] + eos_token + '\n' }}{% else %}
{{- '<|assistant|>\n'  + message['content'] + eos_token }}{% endif %}{% endif %}
{%- if loop.last and add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}{% endfor %}`,
  },
  {
    name: 'exaone 4',
    bos: '[BOS]',
    eos: '[|endofturn|]',
    control: ['[|system|]', '[|user|]', '[|assistant|]', '[|tool|]'],
    shown: ['<think>', '</think>'],
    plain: 'system',
    source: String.raw`{%- if not skip_think is defined %}
  {%- set skip_think = true %}
{%- endif %}
{%- set role_indicators = {
    'user': '[|user|]\n',
    'assistant': '[|assistant|]\n',
    'system': '[|system|]\n'
} %}
{%- set end_of_turn = '[|endofturn|]\n' %}
{%- set ns = namespace(last_query_index = messages|length - 1) %}
{%- for message in messages %}
    {%- if message.role == "user" and message.content is string %}
        {%- set ns.last_query_index = loop.index0 -%}
    {%- endif %}
{%- endfor %}
{%- for i in range(messages | length) %}
    {%- set msg = messages[i] %}
    {%- set role = msg.role %}
    {%- if role not in role_indicators %}
        {{- raise_exception('Unknown role: ' ~ role) }}
    {%- endif %}
    {{- role_indicators[role] }}
    {%- if role == 'assistant' %}
        {%- set content = msg.content if msg.content is string else '' %}
        {%- if '</think>' in content %}
            {%- set reasoning = content.split('</think>')[0].strip('\n').lstrip('<think>') %}
            {%- set content = content.split('</think>')[-1].strip('\n') %}
        {%- else %}
            {%- set reasoning = '' %}
        {%- endif %}
        {%- if i > ns.last_query_index and reasoning and not skip_think %}
            {{- '<think>\n' ~ reasoning ~ '\n</think>\n\n' }}
        {%- else %}
            {{- '<think>\n\n</think>\n\n' }}
        {%- endif %}
        {{- content ~ end_of_turn }}
    {%- else %}
        {{- msg.content ~ end_of_turn }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '[|assistant|]\n' }}
    {%- if enable_thinking is defined and enable_thinking is true %}
        {{- '<think>\n' }}
    {%- else %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- endif %}
{%- endif %}`,
  },
  {
    name: 'hunyuan',
    bos: '<｜hy_begin▁of▁sentence｜>',
    eos: '<｜hy_place▁holder▁no▁2｜>',
    control: ['<｜hy_User｜>', '<｜hy_Assistant｜>', '<｜hy_place▁holder▁no▁3｜>'],
    plain: 'system',
    options: { templateVariables: { enable_thinking: false } },
    source: String.raw`{%- if not add_generation_prompt is defined %}
    {%- set add_generation_prompt = false %}
{%- endif %}
{%- set ns = namespace(system_prompt='', is_first=true) %}
{%- for message in messages %}
    {%- if message['role'] == 'system' %}
        {%- if ns.is_first %}
            {%- set ns.system_prompt = ns.system_prompt + message['content'] %}
            {%- set ns.is_first = false %}
        {%- else %}
            {%- set ns.system_prompt = ns.system_prompt + '\n\n' + message['content'] %}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}{{ ns.system_prompt }}
{%- if ns.system_prompt != '' %}{{ '<｜hy_place▁holder▁no▁3｜>' }}{% endif %}
{%- for message in messages %}
    {%- if message['role'] == 'user' %}{{ '<｜hy_User｜>' + message['content'] }}{% endif %}
    {%- if message['role'] == 'assistant' %}
        {%- set content = message['content'] %}
        {%- if '<answer>' in content and '</answer>' in content and not loop.last %}
            {%- set content = content.split('<answer>')[-1].split('</answer>')[0].strip() %}
        {%- endif %}
        {{- '<｜hy_Assistant｜>' + content + eos_token }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<｜hy_Assistant｜>' }}
    {%- if enable_thinking is defined and not enable_thinking %}
        {{- '<think>\n\n</think>\n' }}
    {%- endif %}
{%- endif %}`,
  },
  {
    name: 'ernie 4.5',
    bos: '<|begin_of_sentence|>',
    eos: '</s>',
    control: ['<|end_of_sentence|>'],
    plain: 'system',
    source: String.raw`{%- if not add_generation_prompt is defined -%}
    {%- set add_generation_prompt = true -%}
{%- endif -%}
{%- if not cls_token is defined -%}
    {%- set cls_token = "<|begin_of_sentence|>" -%}
{%- endif -%}
{%- if not sep_token is defined -%}
    {%- set sep_token = "<|end_of_sentence|>" -%}
{%- endif -%}
{{- cls_token -}}
{%- for message in messages -%}
    {%- if message["role"] == "user" -%}
        {{- "User: " + message["content"] + "\n" -}}
    {%- elif message["role"] == "assistant" -%}
        {{- "Assistant: " + message["content"] + sep_token -}}
    {%- elif message["role"] == "system" -%}
        {{- message["content"] + "\n" -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- "Assistant: " -}}
{%- endif -%}`,
  },
  {
    name: 'falcon 3',
    bos: '<|startoftext|>',
    eos: '<|endoftext|>',
    plain: 'system',
    options: { tools: [] },
    source:
      String.raw`{%- if tools %}{{- '<|system|>\n' }}{%- if messages[0]['role'] == 'system' %}` +
      `{{- messages[0]['content'] }}{%- set remaining_messages = messages[1:] %}` +
      `{%- else %}{%- set remaining_messages = messages %}{%- endif %}` +
      String.raw`{{- 'Functions:\n' + tools | tojson }}{%- else %}` +
      `{%- set remaining_messages = messages %}{%- endif %}` +
      `{%- for message in remaining_messages %}{%- if message['role'] == 'system' %}` +
      String.raw`{{- '<|system|>\n' + message['content'] + '\n' }}` +
      `{%- elif message['role'] == 'user' %}` +
      String.raw`{{- '<|user|>\n' + message['content'] + '\n' }}` +
      `{%- elif message['role'] == 'assistant' %}{%- if not loop.last %}` +
      String.raw`{{- '<|assistant|>\n' + message['content'] + eos_token + '\n' }}{%- else %}` +
      String.raw`{{- '<|assistant|>\n' + message['content'] + eos_token }}{%- endif %}` +
      `{%- endif %}{%- if loop.last and add_generation_prompt %}` +
      String.raw`{{- '<|assistant|>\n' }}{%- endif %}{%- endfor %}`,
  },
];
