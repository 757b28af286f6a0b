// Llama 2, 3, 3.1 and 3.2.
import { type Family, TOOLS } from './family.ts';

/** 3.1 and 3.2 differ in where the date is from, and whether tools go into the first question. */
const llama31 = (date: string, inQuestion: boolean) => String.raw`{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not tools_in_user_message is defined %}
    {%- set tools_in_user_message = ${inQuestion} %}
{%- endif %}
{%- if not date_string is defined %}
    ${date}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
{%- if tools is not none %}
    {{- "Environment: ipython\n" }}
{%- endif %}
{{- "Knowledge ends: December 2023\n" }}
{{- "Today is: " + date_string + "\n\n" }}
{%- if tools is not none and not tools_in_user_message %}
    {{- "These functions can be called, as JSON with name and parameters.\n\n" }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\n\n" }}
    {%- endfor %}
{%- endif %}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- if tools_in_user_message and not tools is none %}
    {%- if messages | length != 0 %}
        {%- set first_user_message = messages[0]['content'] | trim %}
        {%- set messages = messages[1:] %}
    {%- else %}
        {{- raise_exception("Tools need a first user message!") }}
    {%- endif %}
    {{- '<|start_header_id|>user<|end_header_id|>\n\n' -}}
    {{- "Answer with a call of one of these functions.\n\n" }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\n\n" }}
    {%- endfor %}
    {{- first_user_message + "<|eot_id|>" }}
{%- endif %}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' }}
        {{- message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls | length == 1 %}
            {{- raise_exception("One call at a time!") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' -}}
        {{- '{"name": "' + tool_call.name + '", ' }}
        {{- '"parameters": ' }}
        {{- tool_call.arguments | tojson }}
        {{- "}" }}
        {{- "<|eot_id|>" }}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\n\n" }}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}
`;

const three = {
  bos: '<|begin_of_text|>',
  eos: '<|eot_id|>',
  control: ['<|start_header_id|>', '<|end_header_id|>', '<|eom_id|>', '<|python_tag|>'],
};

export const llama: readonly Family[] = [
  {
    name: 'llama 2',
    later: 'user',
    bos: '<s>',
    eos: '</s>',
    strict: true,
    plain: 'system',
    source: String.raw`
{%- if messages[0]['role'] == 'system' %}
    {%- set loop_messages = messages[1:] %}
    {%- set system_message = messages[0]['content'] %}
{%- else %}
    {%- set loop_messages = messages %}
    {%- set system_message = false %}
{%- endif %}
{%- for message in loop_messages %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('Roles must take turns: user, assistant, user, ...') }}
    {%- endif %}
    {%- if loop.index0 == 0 and system_message != false %}
        {%- set content = '<<SYS>>\n' + system_message + '\n<</SYS>>\n\n' + message['content'] %}
    {%- else %}
        {%- set content = message['content'] %}
    {%- endif %}
    {%- if message['role'] == 'user' %}
        {{- bos_token + '[INST] ' + content.strip() + ' [/INST]' }}
    {%- elif message['role'] == 'system' %}
        {{- '<<SYS>>\n' + content.strip() + '\n<</SYS>>\n\n' }}
    {%- elif message['role'] == 'assistant' %}
        {{- ' '  + content.strip() + ' ' + eos_token }}
    {%- endif %}
{%- endfor %}`,
  },
  {
    name: 'llama 3',
    ...three,
    plain: 'system',
    source:
      `{% set loop_messages = messages %}{% for message in loop_messages %}` +
      `{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>` +
      String.raw`\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}` +
      `{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}` +
      `{% if add_generation_prompt %}` +
      String.raw`{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}`,
  },
  {
    name: 'llama 3.1',
    ...three,
    plain: 'system',
    calls: true,
    source: llama31(`{%- set date_string = "26 Jul 2024" %}`, true),
    options: { tools: TOOLS },
  },
  {
    name: 'llama 3.2',
    ...three,
    plain: 'system',
    source: llama31(
      `{%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}`,
      false,
    ),
  },
  {
    name: 'llama 3.2, date and tools given',
    ...three,
    plain: 'system',
    calls: true,
    source: llama31(`{%- set date_string = "26 Jul 2024" %}`, true),
    options: {
      templateVariables: {
        date_string: '1 Apr 2025',
        custom_tools: TOOLS,
        tools_in_user_message: false,
      },
    },
  },
];
