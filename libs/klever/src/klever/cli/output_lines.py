"""The output of `klever up` and `klever demo`: one line per completed step."""

import sys
from typing import Any

import click

from klever.demo.story import Prediction
from klever.platform.plan import Part, Urls
from kleverproto.models import ModelDocument
from kleverproto.references import ModelRef
from kleverproto.servings import ServingDocument

NAME_WIDTH = 11


class Lines:
    """Reports the steps of the supervisor and of the demo on standard error."""

    def ready(self, part: Part, seconds: float) -> None:
        """See `platform.supervisor.Reporter`."""
        self._done(part.name, f"{seconds:4.1f} s  {part.url:<28} {part.title}")

    def died(self, part: Part, code: int) -> None:
        """See `platform.supervisor.Reporter`."""
        self._say("!", "yellow", part.name, f"exited with code {code}; restarting")

    def failed(self, part: Part, reason: str) -> None:
        """See `platform.supervisor.Reporter`."""
        self._say("!", "red", part.name, f"cannot be restarted: {reason}; retrying")

    def pushed(self, ref: ModelRef, digest: str, size: int) -> None:
        """See `demo.story.Reporter`."""
        self._done("pushed", f"{ref}  {size} bytes  {digest[:19]}")

    def parsed(self, model: ModelDocument, seconds: float) -> None:
        """See `demo.story.Reporter`."""
        signature = model.status.signature
        if signature is None:
            return
        tensors = [
            ", ".join(f"{t.name} {t.dtype} {list(t.shape or ())}" for t in side)
            for side in (signature.inputs, signature.outputs)
        ]
        self._done("signature", f"{tensors[0]}  →  {tensors[1]}")
        operators = ", ".join(f"{name} {count}" for name, count in signature.operators.items())
        self.note(f"operators {operators}; {seconds * 1000:.0f} ms after the start of the push")

    def deployed(self, serving: ServingDocument, seconds: float) -> None:
        """See `demo.story.Reporter`."""
        traffic = ", ".join(f"{v.model} {v.weight} %" for v in serving.status.variants)
        self._done("deployed", f"{traffic}  in {seconds:.1f} s")
        self.note(serving.status.url or "")

    def predicted(self, prediction: Prediction) -> None:
        """See `demo.story.Reporter`."""
        self._done("predicted", f"{list(prediction.input)}  →  {prediction.species} {list(prediction.probabilities)}")

    def split(self, counts: dict[str, int]) -> None:
        """See `demo.story.Reporter`."""
        total = sum(counts.values())
        shares = ", ".join(f"{version} {100 * count / total:.1f} %" for version, count in counts.items())
        self._done("split", f"{shares} of {total} requests")

    def note(self, text: str) -> None:
        """Print a line that belongs to the previous one."""
        click.echo(f"    {'':{NAME_WIDTH}} {text}", err=True)

    def heading(self, text: str) -> None:
        """Print the heading of a group of lines."""
        click.echo(click.style(f"\n{text}" if sys.stderr.isatty() else text, bold=True), err=True)

    def urls(self, urls: Urls) -> None:
        """Print the addresses of the platform."""
        for name, url in (("API", f"{urls.api}/docs"), ("registry", urls.registry), ("ingress", urls.ingress)):
            click.echo(f"    {name:{NAME_WIDTH}} {url}", err=True)

    def dashboards(self, url: str) -> None:
        """Print the address of the dashboards."""
        click.echo(f"    {'dashboards':{NAME_WIDTH}} {url} (user klever, the token as password)", err=True)

    def login_link(self, url: str) -> None:
        """Print the link that logs a browser in."""
        click.echo(f"    {'browser':{NAME_WIDTH}} {url} (valid once, for 5 minutes)", err=True)

    def _done(self, name: str, text: str) -> None:
        self._say("✓", "green", name, text)

    def _say(self, mark: str, color: str, name: str, text: str) -> None:
        click.echo(f"  {click.style(mark, fg=color)} {name:{NAME_WIDTH}} {text}", err=True)


def urls_as_json(urls: Urls) -> dict[str, Any]:
    """Return the addresses as the demo and `klever status` print them."""
    return {"api": urls.api, "registry": urls.registry, "ingress": urls.ingress, "nats": urls.nats}
