"""Bundles in MLflow: how one is put there so that MLflow itself can load it, and how it comes back, proven whole.

What is fetched stays in `home/mlflow/cache/<model>/<version>-<digest>`, and is looked at again, byte by byte, whenever
it is taken from there.
"""

from __future__ import annotations

import errno
import shutil
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daybreak.errors import ModelError, RegistryError, RegistryUnreachable
from daybreak.files import fsync_dir, locked, private_folder
from training.registry.bundle import Bundle, Unusable, open_bundle
from training.registry.tracking import Registry, Run, metric_name

if TYPE_CHECKING:
    import pandas as pd

LOADER = "training.registry.pyfunc_model"
REQUIREMENTS = ["daybreak[night]"]
FOLDER = "bundle"
KEPT_IN_CACHE = 5


def put(run: Run, bundle: Bundle, example: pd.DataFrame, predicted: pd.DataFrame, measures: Mapping[str, float]) -> str:
    """Logs a bundle as a model of the run, with what it takes and gives; the id that MLflow gives the model."""
    registry = run.registry
    experiment = registry.experiment(run.model)
    with registry.asking() as client, private_folder(registry.home / "scratch", run.id, "put") as folder:
        logged = client.create_logged_model(
            experiment, name=run.model, source_run_id=run.id, model_type=bundle.kind, tags={"digest": bundle.digest}
        )
        _save(folder, logged, bundle, example, predicted)
        client.log_model_artifacts(logged.model_id, str(folder / "model"))
        client.finalize_logged_model(logged.model_id, "READY")
        _tie_to_run(client, run, logged.model_id, measures)
        return str(logged.model_id)


def _save(folder: Path, logged: Any, bundle: Bundle, example: pd.DataFrame, predicted: pd.DataFrame) -> None:
    """Writes MLflow's form of the model to `folder/model`, with the bundle at `data/bundle` in it."""
    import mlflow.pyfunc
    from mlflow.models import Model, infer_signature

    data = folder / FOLDER
    data.symlink_to(bundle.folder.resolve(), target_is_directory=True)
    about = Model(
        artifact_path=logged.artifact_location,
        model_uuid=logged.model_id,
        model_id=logged.model_id,
        run_id=logged.source_run_id,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        mlflow.pyfunc.save_model(
            folder / "model",
            loader_module=LOADER,
            data_path=str(data),
            mlflow_model=about,
            signature=infer_signature(example, predicted),
            input_example=example,
            pip_requirements=REQUIREMENTS,
        )


def _tie_to_run(client: Any, run: Run, model_id: str, measures: Mapping[str, float]) -> None:
    """Shows the model among what the run made, and its measures with the model."""
    from mlflow.entities import LoggedModelOutput, Metric
    from mlflow.utils.time import get_current_time_millis

    client.log_outputs(run.id, [LoggedModelOutput(model_id, step=0)])
    now = get_current_time_millis()
    measured = [
        Metric(metric_name(name), float(value), now, 0, model_id=model_id, run_id=run.id)
        for name, value in measures.items()
    ]
    if measured:
        client.log_batch(run.id, metrics=measured)


def fetch(registry: Registry, model: str, number: int, digest: str) -> Bundle:
    """The bundle of a version, whole and with the digest that the version has: from the cache, or, where that has none
    or a damaged one, from MLflow."""
    shelf = registry.home / "cache" / model
    place = shelf / f"{number}-{digest[:12]}"
    with suppress(ModelError):
        return _checked(place, digest)
    with private_folder(registry.home / "scratch", f"{model}-{number}", "fetch") as folder:
        fetched = download(registry, model, number, digest, folder)
        with locked(shelf / ".lock"):
            shutil.rmtree(place, ignore_errors=True)
            fetched.folder.rename(place)
            fsync_dir(shelf)
            _clear(shelf, place)
    return open_bundle(place, verify=False)


def download(registry: Registry, model: str, number: int, digest: str, folder: Path) -> Bundle:
    """Brings the bundle of a version into `folder`, past the cache, or says that what MLflow keeps is damaged."""
    from mlflow.artifacts import download_artifacts

    with registry.asking() as client:
        place = client.get_model_version_download_uri(model, str(number)).rstrip("/")
    try:
        with registry.asking():
            found = download_artifacts(
                artifact_uri=f"{place}/data/{FOLDER}",
                dst_path=str(folder),
                tracking_uri=registry.url,
                registry_uri=registry.url,
            )
        return _checked(Path(found), digest)
    except Unusable as error:
        raise _damaged(model, number, error.why) from None
    except RegistryUnreachable:
        raise
    except RegistryError as error:
        raise _damaged(model, number, f"MLflow does not give its files ({error})") from None
    except OSError as error:
        if error.errno not in (None, errno.ENOENT):
            raise
        raise _damaged(model, number, f"its files are not where MLflow put them ({place})") from None


def _checked(folder: Path, digest: str) -> Bundle:
    bundle = open_bundle(folder)
    if bundle.digest != digest:
        raise Unusable(folder, f"it is the model {bundle.digest[:12]} and should be {digest[:12]}")
    return bundle


def _damaged(model: str, number: int, why: str) -> ModelError:
    return ModelError(
        f"version {number} of model {model} cannot be used: {why}; move the alias champion to another version, in"
        f" MLflow or with `daybreak models roll-back {model} --because …`, or remove it there to train anew, and run"
        " the same command again"
    )


def _clear(shelf: Path, place: Path) -> None:
    """Removes all but the newest versions and the one that was just fetched."""
    there = [path for path in shelf.iterdir() if path.is_dir() and path.name.partition("-")[0].isdecimal()]
    there.sort(key=lambda path: int(path.name.partition("-")[0]), reverse=True)
    for path in there[KEPT_IN_CACHE:]:
        if path != place:
            shutil.rmtree(path, ignore_errors=True)
