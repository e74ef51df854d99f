"""Events as JSON lines."""

from __future__ import annotations

from datetime import date
from functools import cache

from daybreak.world.catalogue import Catalogue
from daybreak.world.happenings import Block
from daybreak.world.lines import Piece, Texts, clock_times, decimals, joined, numbers, render, text_table
from daybreak.world.shelves import LONGEST
from daybreak.world.visits import Visits
from daybreak.world.vocabulary import DEVICES


class EventWriter:
    """Writes the events of some visits of one day; it makes the texts that many events share once."""

    def __init__(self, day: date, visits: Visits, catalogue: Catalogue) -> None:
        self._day = day
        self._user = numbers("u", visits.users.index + 1)
        self._device = _devices()[visits.users.device]
        self._catalogue = catalogue
        pieces: list[Piece] = [day.strftime("%Y%m%d-").encode(), self._user, numbers("-", visits.number + 1)]
        self._visit = joined(pieces, visits.number.size)

    def lines(self, block: Block) -> bytes:
        """The block as JSON lines."""
        visit, position = self._visit[block.visit], _positions()[block.position]
        pieces: list[Piece] = [
            b'{"event_id":"', visit, b"-" + block.surface[:1].encode(), position, block.event_type[:1].encode(),
            b'","event_ts":"' + self._day.isoformat().encode() + b"T", *clock_times(block.moment_us),
            b'Z","user_id":"', self._user[block.visit],
            b'","item_id":"', numbers("i", block.item + 1),
            b'","event_type":"' + block.event_type.encode() + b'","session_id":"', visit,
            b'","surface":"' + block.surface.encode() + b'","position":', position,
            *self._extras(block),
            self._device[block.visit], b"}\n",
        ]  # fmt: skip
        return render(pieces, block.visit.size)

    def _extras(self, block: Block) -> list[Piece]:
        """What only some types of event have: the price paid, the seconds spent, the rating given."""
        if block.event_type == "purchase":
            return [b',"price":', *decimals(self._catalogue.price_cents[block.item], 2)]
        if block.dwell_tenths is not None:
            return [b',"dwell_s":', *decimals(block.dwell_tenths, 1)]
        if block.stars is not None:
            return [b',"rating":', numbers("", block.stars), b".0"]
        return []


@cache
def _positions() -> Texts:
    return text_table([str(n) for n in range(LONGEST)])


@cache
def _devices() -> Texts:
    return text_table([f',"device":"{name}"' for name in DEVICES])
