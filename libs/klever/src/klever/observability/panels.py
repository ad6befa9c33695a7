"""The parts of dashboards, independent of the program that shows them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

RATE_WINDOW = "$__rate_interval"
"""Grafana's variable for the window of rates, which depends on the scrape interval."""


class PanelKind(StrEnum):
    """Kinds of panels, by Grafana's names."""

    GRAPH = "timeseries"
    FIGURE = "stat"
    TABLE = "table"


class Unit(StrEnum):
    """Units, by Grafana's names."""

    NUMBER = "short"
    SECONDS = "s"
    MILLISECONDS = "ms"
    BYTES = "bytes"
    BYTES_PER_SECOND = "Bps"
    REQUESTS_PER_SECOND = "reqps"
    PER_SECOND = "ops"
    RATIO = "percentunit"
    YES_NO = "bool_yes_no"


@dataclass(frozen=True)
class Query:
    """A PromQL expression.

    Attributes:
        expression: may contain variables of the dashboard, and RATE_WINDOW.
        legend: Grafana's format of a series, with labels in double braces.
        empty_because: reason for an empty result on a healthy platform that is in use; empty if there is always one.
    """

    expression: str
    legend: str = ""
    empty_because: str = ""

    def filled(self, variables: Mapping[str, str], window: str = "5m") -> str:
        """Return the expression with values for its variables."""
        return re.sub(r"\$(\w+)", lambda match: {**variables, RATE_WINDOW[1:]: window}[match[1]], self.expression)


@dataclass(frozen=True)
class Panel:
    """A figure, graph or table. The description says what is normal, and what to do otherwise."""

    title: str
    queries: tuple[Query, ...]
    description: str
    unit: Unit = Unit.NUMBER
    kind: PanelKind = PanelKind.GRAPH


@dataclass(frozen=True)
class Row:
    """Panels under a title."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Dashboard:
    """A page of panels.

    Attributes:
        name: name of the file, and its identity in Grafana.
        title: its title.
        rows: its rows.
        variables: the PromQL expressions of variables by name, whose values a user chooses.
    """

    name: str
    title: str
    rows: tuple[Row, ...]
    variables: Mapping[str, str] = field(default_factory=dict)

    def panels(self) -> Iterator[Panel]:
        """All panels, in order."""
        return (panel for row in self.rows for panel in row.panels)


def quantile(share: float, metric: str, by: str = "", where: str = "") -> str:
    """Return the expression for a quantile of a histogram."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket{{{where}}}[{RATE_WINDOW}])))"
