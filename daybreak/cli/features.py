"""`daybreak features`: what is known of users and items and how fresh it is; or one view, feature by feature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from daybreak.cli.console import print_json
from daybreak.features.views import VIEWS, view_named
from daybreak.settings import Settings, load_settings

if TYPE_CHECKING:
    from daybreak.features.statistics import FeatureStats


def command(
    name: Annotated[str | None, typer.Argument(help="A feature view, to see its features.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the feature views with their freshness, or the features of one with how their values are spread."""
    chosen = [view_named(name)] if name else list(VIEWS.values())

    from daybreak.cli.feature_documents import request_document, view_document, whole_view_document
    from daybreak.cli.feature_words import show_all, show_view
    from daybreak.features.catalogue import catalogue, request_facts

    settings = load_settings()
    night, stats = _newest_stats(settings)
    views = catalogue(chosen, stats, night, settings.night_due)
    if name and as_json:
        print_json({"night": night, **whole_view_document(views[0])})
    elif name:
        show_view(night, views[0])
    elif as_json:
        on_request = [request_document(facts) for facts in request_facts()]
        print_json({"night": night, "views": [view_document(facts) for facts in views], "on_request": on_request})
    else:
        show_all(night, views)


def _newest_stats(settings: Settings) -> tuple[str | None, list[FeatureStats]]:
    """The newest night that has statistics, and these."""
    from daybreak.features.statistics import FEATURE_STATS, FeatureStats
    from daybreak.lake import Lake, Window

    table = Lake.of(settings).table(FEATURE_STATS)
    night = max(table.days(), default=None)
    rows = table.read(Window(since=night, until=night), FEATURE_STATS.column_names).to_pylist() if night else []
    return night, [FeatureStats(**row) for row in rows]
