"""Dashboards as Prometheus's console templates: the present figures as tables, without any other program."""

import json
from collections.abc import Iterable
from html import escape
from urllib.parse import quote

from .panels import Dashboard, Panel, Query

STYLE = (
    "body{font:14px sans-serif;margin:2em;max-width:70em}table{border-collapse:collapse}"
    "td{border-bottom:1px solid #ddd;padding:.2em 1em .2em 0}td.n{text-align:right}p{color:#555;margin:.2em 0 .6em}"
)
VALUES = (
    "{{{{ range query {query} }}}}<tr><td>{labels}</td><td class=n>{{{{ .Value | humanize }}}}</td></tr>"
    "{{{{ else }}}}<tr><td>no data</td></tr>{{{{ end }}}}"
)
"""The rows of a query, in the language of Prometheus's templates; formatted with `str.format`."""
LABELS = "{{ range $name, $value := .Labels }}{{ $name }}={{ $value }} {{ end }}"


def page(dashboard: Dashboard, dashboards: Iterable[Dashboard]) -> str:
    """The dashboard as a template, with links to the others. Variables of a dashboard match all values."""
    links = " · ".join(f'<a href="{each.name}.html">{escape(each.title)}</a>' for each in dashboards)
    rows = "".join(f"<h2>{escape(row.title)}</h2>" + "".join(map(_panel, row.panels)) for row in dashboard.rows)
    head = f"<meta charset=utf-8><meta http-equiv=refresh content=15><title>{escape(dashboard.title)}</title>"
    return f"<!doctype html>{head}<style>{STYLE}</style><nav>{links}</nav><h1>{escape(dashboard.title)}</h1>{rows}\n"


def _panel(panel: Panel) -> str:
    tables = "".join(map(_table, panel.queries))
    return f"<h3>{escape(panel.title)} <small>({panel.unit})</small></h3><p>{escape(panel.description)}</p>{tables}"


def _table(query: Query) -> str:
    expression = matching_all(query)
    values = VALUES.format(query=json.dumps(expression), labels=LABELS)
    return f'<table>{values}</table><a href="../graph?g0.expr={quote(expression)}&g0.tab=0">graph</a>'


def matching_all(query: Query) -> str:
    """The expression for all values of the dashboard's variables."""
    widened = query.expression.replace('="$', '=~"$')
    return Query(widened).filled({"namespace": ".*", "serving": ".*"})
