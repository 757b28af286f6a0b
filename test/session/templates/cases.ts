// Operations that templates use, one each, with what @huggingface/jinja alone makes otherwise among
// them. What Python's Jinja2 makes of them is in test/fixtures/templates.json.
import { readTemplate } from '../../../src/model/jinja.ts';
import { NOW } from './family.ts';

export const cases: readonly string[] = String.raw`
{{ blank.strip() }}|{{ blank | trim }}|{{ blank.lstrip() }}|{{ blank.rstrip() }}|
{{ '\ufeffa\x85'.strip() }}|{{ '\x1ca\x1f' | trim }}|
{{ 'xax' | trim('x') }}|{{ 'xxab'.lstrip('xa') }}
{{ ' a b  c '.split() }} {{ 'a\x1fb'.split() | length }} {{ 'a\ufeffb'.split() | length }}
{{ 'a,b,c'.split(',', 1)[1] }} {{ 'a,b,c'.rsplit(',', 1)[0] }} {{ 'a-b-c'.partition('-')[2] }}
{{ 'a-b-c'.rpartition('-')[0] }} {{ 'abc'.partition('x') | list }}
{{ 'HELLO wOrld'.capitalize() }} {{ 'HELLO wOrld' | capitalize }} {{ '' | capitalize }}|
{{ "they're BILL's 3rd".title() }} {{ "they're BILL's 3rd (a)-b" | title }}
{{ true }} {{ none }} {{ 1.0 }} {{ 3/2 }} {{ 4/2 }} {{ 7//2 }} {{ (-7) % 3 }} {{ 2**10 }}
{{ undefd }}|
{{ {'a': 1, 'b': [true, none, 'x']} }} {{ [1, 'a', "it's", 2.5, 'a"b', "\\n\n"] }} {{ ('a', 1) }}
{{ emoji | length }} {{ emoji[0] }} {{ emoji[:1] }} {{ emoji[-1] }} {{ emoji[::-1] }}
{{ emoji[9] }}|
{{ '' == false }} {{ 1 == '1' }} {{ 1 == true }} {{ 0 == '' }}
{{ none == false }}
{{ [] == [] }} {{ [1] == [1.0] }} {{ {'a':1} == {'a':1} }} {{ {'a':1} == {'a':2} }}
{{ [1] != [2] }}
{{ 'a' ~ none ~ true ~ 1 ~ undefd ~ [1] }}
{{ 'a' + 1 }}
{{ 1 + 'a' }}
{{ 'a' + none }}
{{ undefd + 'a' }}
{% for i in undefd %}x{% endfor %}|{% for c in 'ab' %}{{ c }};{% endfor %}
{{ m is mapping }} {{ m is iterable }} {{ 'a' is iterable }} {{ none is iterable }}
{{ undefd is none }}
{{ 1 is number }} {{ true is number }} {{ true is integer }} {{ 1.0 is float }}
{{ 'a' is sequence }}
{{ m | tojson }} {{ u | tojson }} {{ u | tojson(indent=2) }} {{ u | tojson(ensure_ascii=true) }}
{{ u | tojson(separators=(',', ':')) }} {{ u | tojson(sort_keys=true) }}
{{ [] | tojson(indent=2) }}
{% for k, v in m.items() %}{{ k }}={{ v }};{% endfor %}{% for k in m %}{{ k }};{% endfor %}
{% for k, v in named.items() %}{{ k }}={{ v }};{% endfor %}{{ named['items'] }}
{{ named.get('x', 3) }}
{{ m.keys() | list }} {{ m.values() | list }} {{ m | list }} {{ m.get('zz', 'd') }}
{{ m.get('zz') }}
{{ msgs | selectattr('role', 'equalto', 'user') | list | length }} {{ (msgs | last).role }}
{{ msgs | selectattr('role', '==', 'user') | map(attribute='content') | list }}
{{ msgs | selectattr('role', 'in', ['user', 'x']) | list | length }}
{{ msgs | rejectattr('role', 'ne', 'user') | list | length }}
{{ msgs | selectattr('calls') | list }}
{{ msgs | selectattr('calls', 'defined') | list | length }} {{ msgs[::-1][0].role }}
{{ ['a', ''] | select | list }} {{ ['a', none] | reject('none') | list }}
{{ [1, 2] | select('odd') | list }}
{{ ['a', 'b'] | map('upper') | join }} {{ ['ab', 'cd'] | map('replace', 'a', 'x') | list }}
{{ [true, none, 1.0] | join(',') }} {{ [1, 2] | join }} {{ 'ab' | join('-') }}
{{ undefd | join }}|
{{ [1, 2, 3] | sum }} {{ [1, 2.5] | sum }} {{ [3, 1] | max }} {{ [3, 1] | min }}
{{ 'abc' | list }} {{ 'abc' | first }} {{ 'abc' | last }} {{ 'abc' | reverse }}
{{ 'abc' | count }}
{{ '5' | int + 1 }} {{ '5x' | int }} {{ '2.7' | int }} {{ 2.7 | int }} {{ -2.7 | int }}
{{ 'x' | int(7) }}
{{ none | string }} {{ true | string }} {{ m | string }} {{ 5 | string | length }}
{{ [] | string }}
{{ none | default('d') }} {{ undefd | default('d') }} {{ '' | d('e', true) }} {{ undefd | d }}|
{{ 'abc'.find('c') }} {{ 'abc'.find('x') }} {{ 'abab'.count('ab') }}
{{ '-'.join(['x', 1 | string]) }}
{{ 'abc'.removeprefix('a') }} {{ 'abc'.removesuffix('c') }} {{ '12'.isdigit() }}
{{ 'a1'.isdigit() }}
{{ 'a\nb\n'.splitlines() }} {{ ''.splitlines() }} {{ '\n'.splitlines() }}
{{ 'a\r\nb'.splitlines() }}
{{ ['a'] * 2 }} {{ 'ab' * 2 }} {{ 2 * 'ab' }} {{ 'x' * 0 }}| {{ true + true }} {{ 'A' < 'a' }}
{{ 'b' >= 'a' }}
{{ 5 // 0 }}
{{ 5 % 0 }}
{{ [1] in [[1], [2]] }} {{ 1 not in [1, 2] }} {{ 'role' in m }} {{ 'a' in undefd }}
{{ true in [1] }}
{{ 0.1 + 0.2 }} {{ 10.0 ** 20 }} {{ 1 / 100000 }} {{ 123456789.0 }} {{ -0.0 }} {{ 2 ** -20 }}
{{ '\d' }}|{{ '\/' }}|{{ "\"" }}|{{ '\x41' }}|{{ '\u00e9' }}|{{ '\a' | length }}|{{ '\s+\w' }}
{{ '%}' }} {{ '{%' }} {{ '{#' }}a{{ '#}' }} {{ "}}" }} {{ {'a': {'b': 1}}['a']['b'] }}
{% for i in [1, 2, 3] if i != 2 %}{{ loop.index }}{{ loop.first }}{{ loop.last }};{% endfor %}
{% set ns = namespace(x=[]) %}{% set ns.x = ns.x + ['a'] %}{{ ns.x }} {{ ns.x | length }} {{ ns }}
{% set x %} a {{ none }} {{ true }}{% endset %}[{{ x }}]
{% macro f() %}{{ 1.5 }}{{ none }}{% endmacro %}{{ f() }}
{% if true %}{{ none }}{% else %}{{ true }}{% endif %}
{% for i in [] %}{% else %}{{ false }}{% endfor %}
{{ strftime_now('%d %b %Y %H:%M') }} {{ none is not none }} {{ m.zz is none }} {{ not undefd }}
`
  .trim()
  .split('\n')
  .concat([
    '  {%+ if true %}x{% endif %}\n  {% if true +%}\ny{% endif %}\n',
    'a  {% if true %}x{% endif %}  \nb\n  {{ 1 }}\n  {%- if true %}\n c\n  {% endif %}\n\n',
    "{{ '%}\n' }}x{{ '#}\n  {% a' }}\n{# c #}\ny {# d #}\n",
    "{{ 'a\nb' }}{{ 'c\\\nd' }}",
  ]);

export const caseVariables = {
  blank: '\u001f\ufeff\u0085 a \u3000\ufeff\u001c',
  emoji: '\u{1f600}ab',
  m: { a: 1, b: 'two', role: 'user' },
  u: { b: 'é', a: [1, { c: null }], n: 1.5, t: true },
  named: { items: 1, keys: 2, get: 'g' },
  msgs: [
    { role: 'system', content: 'S' },
    { role: 'user', content: 'U' },
    { role: 'assistant', content: 'A', calls: [] },
  ],
};

/** What we make of a case; undefined where it is refused. */
export function caseText(source: string): string | undefined {
  try {
    return readTemplate(source, 'a case')(caseVariables, NOW);
  } catch {
    return undefined;
  }
}
