"""`daybreak features`: what is known of users and items and how fresh it is; or one view, feature by feature."""

from __future__ import annotations

from typing import Annotated

import typer

from daybreak.cli.console import print_json
from daybreak.features.views import VIEWS, view_named
from daybreak.settings import load_settings


def command(
    name: Annotated[str | None, typer.Argument(help="A feature view, to see its features.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the feature views with their freshness, or the features of one with how their values are spread."""
    chosen = [view_named(name)] if name else list(VIEWS.values())

    from daybreak.cli.feature_facts import newest_facts, request_facts
    from daybreak.cli.feature_words import show_all, show_view

    night, views = newest_facts(load_settings(), chosen)
    if name and as_json:
        print_json({"night": night, **views[0].whole()})
    elif name:
        show_view(night, views[0])
    elif as_json:
        on_request = [facts.document() for facts in request_facts()]
        print_json({"night": night, "views": [view.document() for view in views], "on_request": on_request})
    else:
        show_all(night, views)
