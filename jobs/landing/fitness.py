"""Whether a day's delivery is fit to land."""

from __future__ import annotations

from daybreak.contracts import Dataset
from daybreak.errors import DeliveryError
from jobs.landing.split import Account


def refuse_unless_fit(dataset: Dataset, day: str, account: Account, max_bad_share: float) -> None:
    """Raises where a delivery holds no rows, too many bad rows, or nothing of the day it is named for."""
    assert dataset.delivery is not None
    name = dataset.short_name
    numbers = {"rows_in": account.rows_in, "accepted": account.accepted, "quarantined": account.quarantined}
    if not account.rows_in and dataset.delivery.required:
        raise DeliveryError(f"{name} of {day} holds no rows; deliver it again and run the night again")
    if account.bad_share > max_bad_share:
        raise DeliveryError(
            f"{name} of {day}: {account.quarantined:,} of {account.rows_in:,} rows ({account.bad_share:.1%}) break the"
            f" contract, more than the {max_bad_share:.1%} allowed; nothing was landed, yesterday's lists stay live."
            f" See why with `daybreak tables quarantine/rows --ds {day}`, then deliver it again",
            numbers,
        )
    if dataset.delivery.by_event_day and not account.accepted_by_day.get(day):
        newest = max(account.accepted_by_day, default=None)
        found = f"newest day in it: {newest}" if newest else f"{account.duplicates:,} of its rows have landed before"
        raise DeliveryError(
            f"{name} of {day} is stale: it holds no new row of that day ({found});"
            " deliver the right file and run the night again",
            numbers,
        )
