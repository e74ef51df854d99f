"""Every failure that Daybreak foresees, as one tree.

    DaybreakError
    ├── SettingsError      a setting, surface or configuration file is wrong
    ├── InputError         what was delivered, or asked for, cannot be used
    │   └── DeliveryError  a day's files are missing, stale, unreadable or too dirty
    ├── LakeError          a table cannot be read or committed
    │   └── StaleAttempt   a newer attempt at the same work has already committed
    ├── ReleaseError       a release is incomplete, changed, unaudited or unknown
    ├── GateError          a gate refused what the night made
    ├── NightError         the night itself cannot start or did not finish
    ├── MissingExtra       a library of an extra that is not installed
    ├── RegistryError      a registered model cannot be found, kept or promoted
    │   └── RegistryUnreachable  MLflow does not answer; it may the next time
    └── ModelError         a model is damaged, cut short or of another world

Each message says which object, what was expected, what was found and what to do next. The command line prints it as
one sentence and exits with the error's `exit_code`; anything else is a bug and shows a traceback. Every code is for
good but that of `RegistryUnreachable`, which is the one by which programs ask to be tried again (EX_TEMPFAIL of
sysexits.h). `summary` holds the numbers a step had reached when it stopped.
"""

from __future__ import annotations

from typing import Any


class DaybreakError(Exception):
    """A foreseen failure: its message is meant for the person who ran the command."""

    exit_code = 1

    def __init__(self, message: str, summary: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.summary = summary or {}


class SettingsError(DaybreakError):
    """A setting or configuration file is wrong."""

    exit_code = 2


class InputError(DaybreakError):
    """What was asked for, or what was given, cannot be used."""

    exit_code = 3


class DeliveryError(InputError):
    """A day's delivery is missing, stale, unreadable or too dirty to land."""


class LakeError(DaybreakError):
    """A table cannot be read or committed."""

    exit_code = 4


class StaleAttempt(LakeError):
    """A newer attempt at the same work has committed; this one withdraws without harm."""

    exit_code = 5


class ReleaseError(DaybreakError):
    """A release is incomplete, changed, unaudited or unknown."""

    exit_code = 6


class GateError(DaybreakError):
    """A gate refused what the night made; what is live stays live."""

    exit_code = 7


class NightError(DaybreakError):
    """The night cannot start, or did not finish."""

    exit_code = 8


class MissingExtra(DaybreakError):
    """A library that belongs to an optional extra is not installed."""

    exit_code = 9

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(
            f"{library} is not installed; it belongs to the extra '{extra}': pip install 'daybreak[{extra}]'"
        )


class RegistryError(DaybreakError):
    """A registered model cannot be found, kept or promoted."""

    exit_code = 10


class RegistryUnreachable(RegistryError):
    """MLflow does not answer; the same command may work a little later."""

    exit_code = 75


class ModelError(DaybreakError):
    """A model is damaged, cut short or of another world than the one it is to serve."""

    exit_code = 11
