"""Reaching MLflow: quietly, with little patience, and with one sentence where it does not answer.

MLflow takes minutes to give up on a server that is down, talks to its makers by default and writes what it does on
standard error. All of that is settled here, before it is imported; a variable that a user has set is left alone.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from daybreak.errors import RegistryError, RegistryUnreachable
from daybreak.files import locked

if TYPE_CHECKING:
    from mlflow import MlflowClient

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
}
LOUD = ("mlflow.store.db.utils", "mlflow.utils.requests_utils", "urllib3.connectionpool")
"""Loggers that tell, with a traceback, what is told in one sentence here."""
ANSWER_S = 5
SERVER_FAULT = 500
PASSING_CODES = ("TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "DEADLINE_EXCEEDED")
_speaking = threading.RLock()


def prepare() -> None:
    """Settles MLflow's habits for this process. Whatever of our code imports MLflow calls this first."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if "mlflow" in sys.modules:
        logging.getLogger("mlflow").setLevel(os.environ["MLFLOW_LOGGING_LEVEL"].upper())
    for name in LOUD:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def open_client(url: str, artifacts: str | None, home: Path) -> MlflowClient:
    """A client of the MLflow at `url`, after it has shown that it is there. A database is made, or brought to its
    tables, by one process of this machine at a time."""
    prepare()
    with told_in_a_sentence(url):
        if is_database(url):
            _knock_at_database(url)
            with locked(home / ".lock"):
                _make_database(url, artifacts)
        else:
            _knock_at_server(url)
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=url, registry_uri=url)


def is_database(url: str) -> bool:
    """Whether MLflow is a database that is opened here, rather than a server."""
    return urlsplit(url).scheme not in ("http", "https")


def without_password(url: str) -> str:
    """The URL as it may be printed."""
    parts = urlsplit(url)
    return url.replace(f":{parts.password}@", ":***@") if parts.password else url


@contextlib.contextmanager
def told_in_a_sentence(url: str) -> Iterator[None]:
    """Turns what goes wrong with MLflow in the block into one sentence of ours."""
    try:
        yield
    except Exception as error:
        if _is_of_reaching(error):
            raise RegistryUnreachable(
                f"MLflow at {without_password(url)} does not answer ({_reason(error, url)}); the champion stays as it"
                " was; start it or set DAYBREAK_MLFLOW_URL, then run the same command again"
            ) from error
        if _is_of_mlflow(error):
            raise RegistryError(_refusal(error, url)) from error
        raise


@contextlib.contextmanager
def as_default(url: str) -> Iterator[None]:
    """Makes `url` the MLflow of those calls that take none, for the block."""
    import mlflow

    with _speaking:
        before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
        mlflow.set_tracking_uri(url)
        try:
            yield
        finally:
            mlflow.set_tracking_uri(before)


def code_of(error: BaseException) -> str:
    """MLflow's code of an error; empty for any other error."""
    return str(getattr(error, "error_code", ""))


def _knock_at_server(url: str) -> None:
    """One question, and little time for the answer; MLflow itself would ask again and again."""
    import requests

    requests.get(f"{url.rstrip('/')}/health", timeout=ANSWER_S).close()


def _knock_at_database(url: str) -> None:
    """One connection; MLflow itself tries for minutes."""
    import sqlalchemy as sa

    address = sa.make_url(url)
    if address.get_backend_name() == "sqlite" and address.database:
        Path(address.database).parent.mkdir(parents=True, exist_ok=True)
    try:
        engine = sa.create_engine(address)
    except ModuleNotFoundError as error:
        raise RegistryError(
            f"MLflow at {without_password(url)} needs the library {error.name}, which is not installed: install it, or"
            " name another driver in DAYBREAK_MLFLOW_URL"
        ) from None
    try:
        engine.connect().close()
    finally:
        engine.dispose()


def _make_database(url: str, artifacts: str | None) -> None:
    """Makes MLflow's tables where they are not there yet, with our folder of files as the default."""
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as RegistryStore
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as TrackingStore

    TrackingStore(url, artifacts)
    RegistryStore(url)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_of_mlflow(error: BaseException) -> bool:
    """Whether MLflow, or what it asks through, raised it. MLflow is not imported for that: it takes seconds."""
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    if isinstance(error, (RequestException, SQLAlchemyError)):
        return True
    return any(each.__name__ == "MlflowException" for each in type(error).__mro__)


def _is_of_reaching(error: BaseException) -> bool:
    """Whether it never came to an answer: no connection, no time, or a server or database that is not fit now."""
    return _is_of_mlflow(error) and (code_of(error) in PASSING_CODES or any(map(_is_no_answer, _chain(error))))


def _is_no_answer(error: BaseException) -> bool:
    from requests import RequestException
    from sqlalchemy.exc import OperationalError

    if isinstance(error, RequestException):
        return error.response is None or error.response.status_code >= SERVER_FAULT
    return isinstance(error, OperationalError)


def _reason(error: BaseException, url: str) -> str:
    """The innermost cause in a few words, without the password that a driver may repeat."""
    for each in reversed(list(_chain(error))):
        if isinstance(each, OSError) and each.strerror:
            return each.strerror.lower()
        if isinstance(reason := getattr(each, "reason", None), Exception):
            return str(reason)
    said_by_driver = [said for each in _chain(error) if (said := getattr(each, "orig", None))]
    words = " ".join(str(said_by_driver[0] if said_by_driver else error).split())
    password = urlsplit(url).password
    return (words.replace(password, "***") if password else words)[:300]


def _refusal(error: Any, url: str) -> str:
    words = " ".join(str(error).split())
    if "out-of-date database schema" in words:
        return (
            f"the database of MLflow at {without_password(url)} is of another version of MLflow than the one installed;"
            " make a copy of it, then bring it to this version with: mlflow db upgrade URL"
        )
    return f"MLflow at {without_password(url)} refused: {words[:600]}"
