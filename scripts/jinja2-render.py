"""Renders chat templates as transformers does, with Python's Jinja2; for template-fixtures.mjs.

Reads JSON from the standard input: {"now": [year, month, ...], "families": [{"source", "moments"}]}
or {"cases": [[source, variables]]}; writes the texts as JSON, null where a template refuses.
"""

import datetime
import json
import sys

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Generation(jinja2.ext.Extension):
    """{% generation %}: what stands in it was made by the model; it is written as it is."""

    tags = {"generation"}

    def parse(self, parser):
        next(parser.stream)
        return parser.parse_statements(["name:endgeneration"], drop_needle=True)


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


given = json.load(sys.stdin)
now = datetime.datetime(*given["now"])
environment = ImmutableSandboxedEnvironment(
    trim_blocks=True,
    lstrip_blocks=True,
    extensions=[Generation, jinja2.ext.loopcontrols],
)
environment.filters["tojson"] = tojson
environment.globals["raise_exception"] = raise_exception
environment.globals["strftime_now"] = lambda form: now.strftime(form)


def render(source, all_variables):
    try:
        template = environment.from_string(source)
    except jinja2.exceptions.TemplateSyntaxError:
        return [None for _ in all_variables]
    texts = []
    for variables in all_variables:
        try:
            texts.append(template.render(**variables))
        except (jinja2.exceptions.TemplateError, TypeError, ValueError, ArithmeticError):
            texts.append(None)
    return texts


json.dump(
    {
        "version": jinja2.__version__,
        "families": [render(f["source"], f["moments"]) for f in given["families"]],
    },
    sys.stdout,
)
