"""`daybreak serve`: runs the reader."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape

from daybreak.cli.console import console
from daybreak.settings import load_settings
from daybreak.targets import load

SERVE = "serving_export.reader.server:serve"


def command(
    host: Annotated[str | None, typer.Option(help="Address to listen on; the setting `host` by default.")] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65_535, help="Port to listen on, 0 for any free one; the setting `reader_port` if left out."
        ),
    ] = None,
) -> None:
    """Serve the live lists over HTTP. A new release is picked up within a moment, without a restart."""
    settings = load_settings()
    load(SERVE)(
        settings.releases,
        settings.host if host is None else host,
        settings.reader_port if port is None else port,
        _announce,
    )


def _announce(url: str, state: Any) -> None:
    for line in _welcome(url, state):
        console.print(line, soft_wrap=True)


def _welcome(url: str, state: Any) -> list[str]:
    snapshot = state.snapshot
    if snapshot is None:
        refusal = state.last_refusal
        why = refusal.reason if refusal else "nothing is published yet; `daybreak nightly` makes the first release"
        return [f"[bold]{url}[/] answers 503: {escape(why)}"]
    manifest = snapshot.release.manifest
    return [
        f"[bold]{url}[/] serves release [bold]{snapshot.id}[/] (day {manifest.ds}, model {escape(manifest.model)})",
        *(f"  {url}/v1/recs/{escape(surface)}/{{id}}?k=20" for surface in manifest.surfaces),
        f"  {url}/healthz",
    ]
