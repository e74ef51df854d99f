"""`daybreak leaks`: proves on a copy of the lake that training rows do not see their future, and asks each feature how
much it tells by itself."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from daybreak.cli.console import as_text, console, print_json
from daybreak.errors import GateError
from daybreak.settings import load_settings

if TYPE_CHECKING:
    from daybreak.leaks.feature_scores import FeatureScore
    from daybreak.leaks.proof import Proof

SHOWN_AT_ONCE = 10


def command(
    day: Annotated[str | None, typer.Option(help="The day of training rows to try; else the last but one.")] = None,
    suspicious: Annotated[
        float, typer.Option(min=0.5, max=1.0, help="Refuse a feature that alone tells the outcome apart this well.")
    ] = 0.9,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Plant a future into a copy of the lake and prove that no training row changes; refuse features that tell too
    much. Takes as long as some nights of features and training rows."""
    from daybreak.leaks.proof import prove
    from daybreak.leaks.suspects import suspects

    settings = load_settings()
    proof = prove(settings, day)
    scores = suspects(settings, proof.day)
    refused = [each for each in scores if each.auc is not None and each.auc >= suspicious]
    if as_json:
        found = {"scores": [asdict(each) for each in scores], "suspicious": [each.feature for each in refused]}
        print_json({"holds": proof.holds, **asdict(proof), **found})
    else:
        _show(proof, scores)
    if proof.moved:
        raise GateError(f"the training rows of {proof.day} see their future: {_what_moved(proof)}")
    if proof.unreached_views:
        raise GateError(
            f"nothing is proved of {_listed(proof.unreached_views)}: what was planted did not change their features of"
            f" {proof.day} either, though that night was to see it; see what their jobs read"
        )
    if refused:
        names = ", ".join(f"{each.feature} ({each.auc:.3f})" for each in refused)
        raise GateError(
            f"suspicious: {names} alone {'tells' if len(refused) == 1 else 'tell'} nearly every click apart; see how it"
            " is made, or allow it with --suspicious"
        )


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none"


def _what_moved(proof: Proof) -> str:
    parts = []
    if proof.moved_views:
        parts.append(f"features of the night before changed in {', '.join(proof.moved_views)}")
    if proof.moved_columns:
        columns = ", ".join(f"{name} ({rows:,})" for name, rows in sorted(proof.moved_columns.items()))
        parts.append(f"columns changed in so many rows: {columns}")
    if proof.moved_rows:
        parts.append(f"{proof.moved_rows:,} rows came or went")
    return "; ".join(parts)


def _show(proof: Proof, scores: list[FeatureScore]) -> None:
    planted = proof.planted
    console.print(
        f"Planted after the fact of {proof.day}: {planted.late_events:,} late events,"
        f" {planted.events_of_the_day:,} events of the day,"
        f" {planted.outcomes_after_maturity:,} outcomes after labels were mature, {planted.user_states:,} user states,"
        f" {planted.item_states:,} item states, {planted.ties:,} ties.",
        soft_wrap=True,
    )
    console.print(f"They reached the features of {proof.day} in: {_listed(proof.reached_views)}.", soft_wrap=True)
    if proof.unreached_features:
        console.print(
            f"[yellow]Nothing is proved of {', '.join(proof.unreached_features)}[/]: nothing that was planted could"
            " change them.",
            soft_wrap=True,
        )
    if not proof.moved:
        console.print(f"[green]None of the {proof.rows:,} training rows of {proof.day} changed.[/]")
    console.print(
        f"\nWhat each feature alone tells of clicks (0.5 nothing, 1 everything), the first {SHOWN_AT_ONCE}:",
        soft_wrap=True,
    )
    for each in scores[:SHOWN_AT_ONCE]:
        console.print(f"  {'  –  ' if each.auc is None else f'{each.auc:.3f}'}  {as_text(each.feature)}")
