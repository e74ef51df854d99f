"""The marks of all views in one hash of Redis, changed and heeded by compare-and-set.

A change is made again where another one came between. What is written under a mark goes in small transactions that the
server drops where any mark has changed since it was read, so that no command of an attempt that was overtaken is
carried out, however long its process slept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from daybreak.features.online import PROJECT
from feature_repo.online_store import Mark, Turn

MARKS = f"daybreak:{PROJECT}:marks"
COMMANDS_A_TRANSACTION = 2_000
MULTI, EXEC = b"*1\r\n$5\r\nMULTI\r\n", b"*1\r\n$4\r\nEXEC\r\n"


class RedisMarks:
    """The marks that a server holds."""

    def __init__(self, client: Any, place: str) -> None:
        self._client = client
        self.place = place

    def all(self) -> dict[str, Mark]:
        return {view.decode(): Mark.from_text(text) for view, text in self._client.hgetall(MARKS).items()}

    def remove(self, view: str) -> None:
        self._client.hdel(MARKS, view)

    def change(self, view: str, into: Callable[[Mark | None], Mark]) -> Mark:
        """Sets the mark to what `into` makes of the one found."""

        def changed(transaction: Any) -> Mark:
            mark = into(_parsed(transaction.hget(MARKS, view)))
            transaction.multi()
            transaction.hset(MARKS, view, mark.as_text())
            return mark

        made: Mark = self._client.transaction(changed, MARKS, value_from_callable=True)
        return made


class Fenced:
    """A connection whose commands are of one attempt's turn at a view, while its claim stands."""

    def __init__(self, connection: Any, turn: Turn, claim: Mark, place: str) -> None:
        self._connection = connection
        self._turn = turn
        self._claim = claim
        self._place = place

    def ask(self, commands: pa.BinaryArray) -> list[Any]:
        """The reply to each command, of those that change nothing."""
        self._connection.send_packed_command([_laid(commands)])
        return [self._connection.read_response() for _ in range(len(commands))]

    def write(self, commands: pa.BinaryArray) -> None:
        """Has the commands carried out, unless another attempt has come."""
        for part in _parts(commands):
            while not self._is_written(part):
                pass

    def refuse_if_overtaken(self) -> None:
        """Raises where another attempt has come."""
        self._connection.send_packed_command(
            self._connection.pack_commands([("WATCH", MARKS), ("HGET", MARKS, self._turn.view.name)])
        )
        self._connection.read_response()
        self.unless_overtaken(_parsed(self._connection.read_response()), self._claim)

    def unless_overtaken(self, now: Mark | None, mark: Mark) -> Mark:
        """The mark to set, where the one there is now is still this attempt's."""
        if now != self._claim:
            raise self._turn.overtaken(now, self._place)
        return mark

    def _is_written(self, commands: pa.BinaryArray) -> bool:
        """Whether no mark changed meanwhile, and so all of it is done; else nothing is."""
        self.refuse_if_overtaken()
        self._connection.send_packed_command([MULTI, _laid(commands), EXEC])
        for _ in range(len(commands) + 1):
            self._connection.read_response()
        replies = self._connection.read_response()
        for reply in replies or ():
            if isinstance(reply, Exception):
                raise reply
        return replies is not None


def _parsed(text: bytes | None) -> Mark | None:
    return Mark.from_text(text) if text else None


def _parts(commands: pa.BinaryArray) -> Iterator[pa.BinaryArray]:
    for start in range(0, len(commands), COMMANDS_A_TRANSACTION):
        yield commands.slice(start, COMMANDS_A_TRANSACTION)


def _laid(commands: pa.BinaryArray) -> memoryview:
    """The bytes of the commands side by side, as they lie there already."""
    _, offsets, data = commands.buffers()
    ends = np.frombuffer(offsets, np.int32)[commands.offset : commands.offset + len(commands) + 1]
    return memoryview(data)[int(ends[0]) : int(ends[-1])]
