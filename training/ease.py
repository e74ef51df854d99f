"""What EASE lists for each user and beside each item, in `candidates/ease`, fitted anew on the wants of each night.

EASE solves in closed form for the weights by which each history is best rebuilt from the rest of it, so it takes
seconds and no training. Its scores are lifted by what is wanted more lately than it used to be, as far as `trend` goes.
It has no version and no champion: where models are not trained yet, it lists from the first night on. Who has wanted
nothing is given nothing.

It takes a whole matrix of items by items. Where more than `most_items` items are known the table of the night stays
empty and the summary says so; also where nobody has wanted anything. A second run of a night lists the same.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from daybreak.clock import days_before, days_between
from daybreak.features.partials import DAY, PAIR_DAYS
from daybreak.lake.schemas import data_schema
from daybreak.learning import EASE_CANDIDATES, ID_ROWS, ITEM
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from training.data.ids import id_map
from training.graph_teacher import fitted
from training.listing import Listing
from training.models.graph_filter import MOST_DENSE_ITEMS, FilterSettings
from training.night_view import night_view


class EaseConfig(StepConfig):
    """What EASE is fitted on and shaped by, how much is listed, and how much is worked on at once."""

    history_days: int = Field(90, ge=1, description="days of wants that it is fitted on and that say what a user wants")
    a_user: int = Field(150, ge=1, description="items listed for a user")
    an_item: int = Field(60, ge=1, description="items listed beside an item")
    block: int = Field(512, ge=1, description="users or items worked on at once")
    most_items: int = Field(
        MOST_DENSE_ITEMS, ge=1, le=MOST_DENSE_ITEMS, description="items above which nothing is fitted or listed"
    )
    penalty: float = Field(0.05, gt=0, description="penalty of the regression, of the strongest frequency")
    trend: float = Field(1.0, ge=0, description="exponent of an item's trend; 0 leaves recent popularity out")
    trend_share: float = Field(0.2, gt=0, le=1, description="share of all wants since when one counts half in a trend")

    @property
    def settings(self) -> FilterSettings:
        """EASE as a filter of one part."""
        shaped = self.model_dump(include={"penalty", "trend", "trend_share"})
        return FilterSettings(walk=0, smooth=0, ridge=1, **shaped)


def run(config: EaseConfig, io: StepIO) -> Summary:
    """Fits and lists, where there is something to fit and a matrix can hold it."""
    io.require(ID_ROWS)
    items = len(id_map(io, ITEM))
    if items > config.most_items:
        return _nothing(io, f"{items:,} items are more than {config.most_items:,}, the most that EASE is fitted on")
    if not _wanted_anything(io, config.history_days):
        return _nothing(io, f"nobody has wanted anything in {config.history_days} days")
    view = night_view(io, config.history_days, with_features=False)
    scorer = fitted(view, config.settings).at(view)
    rows = Listing(config.a_user, config.an_item, config.block).listed(io, scorer, view)
    return {"rows": io.write(EASE_CANDIDATES, rows).rows, "items": items}


def _nothing(io: StepIO, because: str) -> Summary:
    commit = io.write(EASE_CANDIDATES, data_schema(EASE_CANDIDATES).empty_table())
    return {"rows": commit.rows, "because": because}


def _wanted_anything(io: StepIO, history_days: int) -> bool:
    """Whether some night of these delivered a want of these days."""
    io.require(PAIR_DAYS)
    since = days_before(io.ds, history_days - 1)
    return any(_wants(io, night, since) for night in reversed(days_between(since, io.ds)))


def _wants(io: StepIO, night: str, since: str) -> bool:
    told: pa.Table = io.read(PAIR_DAYS, since=night, until=night, columns=[DAY, "interest"])
    return bool(pc.any(pc.and_(pc.greater(told["interest"], 0), pc.greater_equal(told[DAY], since))).as_py())
