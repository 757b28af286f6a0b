// Families of small models: SmolLM 2 and 3, LFM 2, Granite 3 and 4.
import { type Family, IM, TOOLS } from './family.ts';

const smol = { bos: '<|im_start|>', eos: '<|im_end|>', control: IM, plain: 'system' as const };
const granite = {
  bos: '<|end_of_text|>',
  eos: '<|end_of_text|>',
  control: ['<|start_of_role|>', '<|end_of_role|>', '<|tool_call|>'],
  plain: 'system' as const,
};

const smollm3 = String.raw`{%- if enable_thinking is not defined -%}
{%- set enable_thinking = true -%}
{%- endif -%}
{%- if enable_thinking -%}
  {%- set reasoning_mode = "/think" -%}
{%- else -%}
  {%- set reasoning_mode = "/no_think" -%}
{%- endif -%}
{{- "<|im_start|>system\n" -}}
{%- if messages[0].role == "system" -%}
  {%- set system_message = messages[0].content -%}
  {%- if "/no_think" in system_message -%}
    {%- set reasoning_mode = "/no_think" -%}
  {%- elif "/think" in system_message -%}
    {%- set reasoning_mode = "/think" -%}
  {%- endif -%}
  {%- set custom_instructions =
    system_message.replace("/no_think", "").replace("/think", "").rstrip() -%}
{%- endif -%}
{%- if custom_instructions and "/system_override" in custom_instructions -%}
  {{- custom_instructions.replace("/system_override", "").rstrip() -}}
  {{- "<|im_end|>\n" -}}
{%- else -%}
  {{- "## Facts\n\n" -}}
  {{- "Knowledge ends: June 2025\n" -}}
  {%- set today = strftime_now("%d %B %Y") -%}
  {{- "Today: " ~ today ~ "\n" -}}
  {{- "Mode: " + reasoning_mode + "\n\n" -}}
  {{- "## Instructions\n\n" -}}
  {%- if custom_instructions -%}
    {{- custom_instructions + "\n\n" -}}
  {%- elif reasoning_mode == "/think" -%}
    {{- "You think first, between <think> and </think>, and answer then.\n\n" -}}
  {%- else -%}
    {{- "You help.\n\n" -}}
  {%- endif -%}
  {{- "<|im_end|>\n" -}}
{%- endif -%}
{%- for message in messages -%}
  {%- set content = message.content if message.content is string else "" -%}
  {%- if message.role == "user" -%}
    {{ "<|im_start|>" + message.role + "\n" + content + "<|im_end|>\n" }}
  {%- elif message.role == "assistant" -%}
    {% generation %}
    {%- if reasoning_mode == "/think" -%}
      {{ "<|im_start|>assistant\n" + content.lstrip("\n") + "<|im_end|>\n" }}
    {%- else -%}
      {{ "<|im_start|>assistant\n<think>\n\n</think>\n" + content.lstrip("\n") + "<|im_end|>\n" }}
    {%- endif -%}
    {% endgeneration %}
  {%- elif message.role == "tool" -%}
    {{ "<|im_start|>" + "user\n" + content + "<|im_end|>\n" }}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {%- if reasoning_mode == "/think" -%}
    {{ "<|im_start|>assistant\n" }}
  {%- else -%}
    {{ "<|im_start|>assistant\n<think>\n\n</think>\n" }}
  {%- endif -%}
{%- endif -%}`;

export const small: readonly Family[] = [
  {
    name: 'smollm 2',
    ...smol,
    source:
      `{% for message in messages %}` +
      `{% if loop.first and messages[0]['role'] != 'system' %}` +
      `{{ '<|im_start|>system` +
      '\nYou are small, and help<|im_end|>\n' +
      `' }}{% endif %}{{'<|im_start|>' + message['role'] + '` +
      '\n' +
      `' + message['content'] + '<|im_end|>' + '` +
      '\n' +
      `'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant` +
      `\n' }}{% endif %}`,
  },
  { name: 'smollm 3', later: 'user', ...smol, shown: ['<think>', '</think>'], source: smollm3 },
  {
    name: 'smollm 3, no thinking',
    later: 'user',
    ...smol,
    shown: ['<think>', '</think>'],
    source: smollm3,
    options: { templateVariables: { enable_thinking: false } },
  },
  {
    name: 'lfm 2',
    bos: '<|startoftext|>',
    eos: '<|im_end|>',
    control: [...IM, '<|tool_list_start|>', '<|tool_list_end|>', '<|tool_response_start|>'],
    shown: ['<think>', '</think>'],
    plain: 'system',
    options: { tools: TOOLS },
    source: String.raw`{{- bos_token -}}
{%- set keep_past_thinking = keep_past_thinking | default(false) -%}
{%- set ns = namespace(system_prompt="", last_assistant_index=-1) -%}
{%- if messages[0]["role"] == "system" -%}
    {%- set ns.system_prompt = messages[0]["content"] -%}
    {%- set messages = messages[1:] -%}
{%- endif -%}
{%- if tools -%}
    {%- set ns.system_prompt =
        ns.system_prompt + ("\n" if ns.system_prompt else "") + "Tools: <|tool_list_start|>[" -%}
    {%- for tool in tools -%}
        {%- if tool is not string -%}
            {%- set tool = tool | tojson -%}
        {%- endif -%}
        {%- set ns.system_prompt = ns.system_prompt + tool -%}
        {%- if not loop.last -%}
            {%- set ns.system_prompt = ns.system_prompt + ", " -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set ns.system_prompt = ns.system_prompt + "]<|tool_list_end|>" -%}
{%- endif -%}
{%- if ns.system_prompt -%}
    {{- "<|im_start|>system\n" + ns.system_prompt + "<|im_end|>\n" -}}
{%- endif -%}
{%- for message in messages -%}
    {%- if message["role"] == "assistant" -%}
        {%- set ns.last_assistant_index = loop.index0 -%}
    {%- endif -%}
{%- endfor -%}
{%- for message in messages -%}
    {{- "<|im_start|>" + message["role"] + "\n" -}}
    {%- set content = message["content"] -%}
    {%- if content is not string -%}
        {%- set content = content | tojson -%}
    {%- endif -%}
    {%- if message["role"] == "assistant" and not keep_past_thinking
        and loop.index0 != ns.last_assistant_index -%}
        {%- if "</think>" in content -%}
            {%- set content = content.split("</think>")[-1] | trim -%}
        {%- endif -%}
    {%- endif -%}
    {%- if message["role"] == "tool" -%}
        {%- set content = "<|tool_response_start|>" + content -%}
    {%- endif -%}
    {{- content + "<|im_end|>\n" -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- "<|im_start|>assistant\n" -}}
{%- endif -%}
`,
  },
  {
    name: 'granite 3',
    ...granite,
    options: { tools: TOOLS },
    source: String.raw`{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set system_message = "Knowledge ends: April 2024.\nToday: " +
        strftime_now('%B %d, %Y') + ".\nYou are Stone." %}
    {%- if tools and documents %}
        {%- set system_message = system_message + " Tools and documents may help." %}
    {%- elif tools %}
        {%- set system_message = system_message + " Tools may help." %}
    {%- elif documents %}
        {%- set system_message = system_message + " Documents may help." %}
    {%- endif %}
    {%- set loop_messages = messages %}
{%- endif %}
{{- '<|start_of_role|>system<|end_of_role|>' + system_message + '<|end_of_text|>\n' }}
{%- if tools %}
    {{- '<|start_of_role|>tools<|end_of_role|>' }}
    {{- tools | tojson(indent=4) }}
    {{- '<|end_of_text|>\n' }}
{%- endif %}
{%- for message in loop_messages %}
    {{- '<|start_of_role|>' + message['role'] + '<|end_of_role|>' + message['content'] }}
    {{- '<|end_of_text|>\n' }}
    {%- if loop.last and add_generation_prompt %}
        {{- '<|start_of_role|>assistant' }}
        {%- if controls %}
            {{- ' ' + controls | tojson()}}
        {%- endif %}
        {{- '<|end_of_role|>' }}
    {%- endif %}
{%- endfor %}`,
  },
  {
    name: 'granite 4',
    ...granite,
    calls: true,
    options: { tools: TOOLS },
    source: String.raw`{%- set ns = namespace(text='') %}
{%- if tools %}
    {%- for tool in tools %}
        {%- set ns.text = ns.text + (tool if tool is string else tool | tojson) + '\n' %}
    {%- endfor %}
    {%- set ns.text = 'Functions:\n<tools>\n' + ns.text + '</tools>' %}
{%- endif %}
{%- if messages and messages[0].role == 'system' %}
    {%- if messages[0].content is string %}
        {%- set ns.text = messages[0].content + ('\n\n' + ns.text if ns.text else '') %}
    {%- endif %}
{%- endif %}
{%- if ns.text %}
    {{- '<|start_of_role|>system<|end_of_role|>' + ns.text + '<|end_of_text|>\n' }}
{%- endif %}
{%- for message in messages %}
    {%- set content = '' %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- endif %}
    {%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
        {{- '<|start_of_role|>' + message.role + '<|end_of_role|>' + content }}
        {{- '<|end_of_text|>\n' }}
    {%- elif message.role == 'assistant' %}
        {{- '<|start_of_role|>' + message.role + '<|end_of_role|>' + content }}
        {%- for call in message.tool_calls or [] %}
            {%- if (loop.first and content) or (not loop.first) %}
                {{- '\n' }}
            {%- endif %}
            {{- '<tool_call>\n{"name": "' ~ call.function.name ~ '", "arguments": ' }}
            {{- call.function.arguments | tojson ~ '}\n</tool_call>' }}
        {%- endfor %}
        {{- '<|end_of_text|>\n' }}
    {%- elif message.role == 'tool' %}
        {%- if loop.first or messages[loop.index0 - 1].role != 'tool' %}
            {{- '<|start_of_role|>user<|end_of_role|>' }}
        {%- endif %}
        {{- '\n<tool_response>\n' + content + '\n</tool_response>' }}
        {%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}
            {{- '<|end_of_text|>\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_of_role|>assistant<|end_of_role|>' }}
{%- endif %}`,
  },
];
