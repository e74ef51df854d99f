"""The versions of a model, which of them serves a night, and how the alias `champion` moves.

A night registers what it learned as a version with the alias `challenger`. Whoever makes lists asks `champion(model,
ds)`: the version that carries the alias `champion` in MLflow, unless it has seen the future of night `ds`; then the one
that was champion at that time. Gates move the alias, or a person does, in MLflow or by `daybreak models`; whoever moves
it back holds it, so that the next night does not undo what a person did.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daybreak.errors import ModelError, RegistryError
from daybreak.files import locked, private_folder
from daybreak.settings import Settings
from training.registry import stored
from training.registry.bundle import Bundle
from training.registry.catalogue import CHALLENGER, CHAMPION, HELD_TAG, Catalogue, State, Version, version_of
from training.registry.gates import Gate, passed
from training.registry.loaders import servable
from training.registry.opening import as_default, code_of
from training.registry.reigns import How, before, newest, next_reign, serving, tags_of
from training.registry.tracking import THERE_ALREADY, Registry, Run

if TYPE_CHECKING:
    import pandas as pd

MOVED_BY_HAND = "moved by hand"
LONGEST_HELD = 1_000
ABOUT = (
    "The version with the alias `champion` makes the lists; the newest that a night learned has the alias `challenger`."
)


@dataclass(frozen=True)
class Verdict:
    """What became of a challenger, and why."""

    promoted: bool
    why: str


class Versions:
    """The registered models of one MLflow."""

    def __init__(self, registry: Registry, *, promotion: str = "auto") -> None:
        self.registry = registry
        self._catalogue = Catalogue(registry)
        self._by_hand_only = promotion == "manual"

    @classmethod
    def of(cls, settings: Settings) -> Versions:
        return cls(Registry.of(settings), promotion=settings.promotion)

    # Reading

    def models(self) -> list[str]:
        """The names of all registered models."""
        return self._catalogue.models()

    def list(self, model: str) -> list[Version]:
        """Every version, the newest first."""
        return sorted(self._catalogue.state(model).versions.values(), key=lambda version: version.number, reverse=True)

    def get(self, model: str, number: int) -> Version:
        return self._catalogue.state(model).version(number)

    def held(self, model: str) -> str | None:
        """Why no night may move the alias champion; None where it may."""
        return self._catalogue.state(model).held

    def champion(self, model: str, ds: str) -> Version | None:
        """The version that serves night `ds`; None where there is none. It never has seen a later day. An alias that a
        person has moved is noted with its version."""
        with self._alone():
            state = self._catalogue.state(model)
            current = state.champion
            if current is None:
                return None
            if current.trained_until <= ds:
                self._note_if_moved(state, current, ds)
                return self._catalogue.state(model).version(current.number)
            unspoilt = [each for each in state.reigns if state.version(each.number).trained_until <= ds]
            reign = serving(unspoilt, ds)
            return state.version(reign.number) if reign else None

    def fetch(self, version: Version) -> Bundle:
        """Its bundle on this machine, whole."""
        return stored.fetch(self.registry, version.model, version.number, version.digest)

    # Registering

    def register(
        self,
        run: Run,
        bundle: Bundle,
        example: pd.DataFrame,
        measures: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Version:
        """Makes a version of what a run learned, the challenger. The bundle must answer `example`, some rows of what
        will be asked; with that MLflow tells what the model takes and gives. The same model learned again in the same
        night is the version that it was."""
        predicted = servable(bundle).predict(example)
        if "trained_until" not in bundle.facts:
            raise ModelError(f"the model in {bundle.folder} does not say until which day it was trained: add that fact")
        run.flush()
        version = self._same(run, bundle)
        if version is None:
            model_id = stored.put(run, bundle, example, predicted, measures or {})
            about = {"ds": run.ds, "trained_until": str(bundle.facts["trained_until"]), "digest": bundle.digest}
            told = {"kind": bundle.kind, "measures": json.dumps(dict(measures or {})), **(tags or {}), **about}
            version = self._created(run, model_id, told)
        run.tag({"version": str(version.number)})
        if CHAMPION not in version.aliases:
            with self.registry.asking() as client:
                client.set_registered_model_alias(run.model, CHALLENGER, str(version.number))
        return self.get(run.model, version.number)

    def _same(self, run: Run, bundle: Bundle) -> Version | None:
        """The version that this night made of the same model before, if MLflow still has it whole."""
        for version in self.list(run.model):
            if (version.tags.get("ds"), version.tags.get("digest")) == (run.ds, bundle.digest):
                work = f"{run.model}-{version.number}"
                with (
                    contextlib.suppress(ModelError),
                    private_folder(self.registry.home / "scratch", work, "look") as folder,
                ):
                    stored.download(self.registry, run.model, version.number, bundle.digest, folder)
                    return version
        return None

    def _created(self, run: Run, model_id: str, tags: Mapping[str, str]) -> Version:
        with self.registry.asking() as client:
            try:
                client.create_registered_model(run.model, description=ABOUT)
            except Exception as error:
                if code_of(error) != THERE_ALREADY:
                    raise
            with as_default(self.registry.url):
                created = client.create_model_version(
                    run.model, f"models:/{model_id}", run_id=run.id, tags=dict(tags), model_id=model_id
                )
            link = json.dumps([{"name": run.model, "version": str(created.version)}])
            client.set_logged_model_tags(model_id, {"mlflow.modelVersions": link})
            return version_of(created)

    # Promoting

    def settle(self, version: Version, gates: Sequence[Gate]) -> Verdict:
        """Writes down what the gates say of a challenger and, where gates promote, acts on it."""
        refusals = [f"{gate.name}: {gate.detail}" for gate in gates if not gate.passed]
        fine = passed(gates)
        judged = {f"gate.{gate.name}": f"{'passed' if gate.passed else 'REFUSED'}: {gate.detail}" for gate in gates}
        self._catalogue.tag(version, {**judged, "gates": "passed" if fine else "refused"})
        if not fine:
            verdict = Verdict(False, "refused: " + ("; ".join(refusals) or "nothing was judged"))
        elif self._by_hand_only:
            verdict = Verdict(False, "passed every gate; it waits for a person to move the alias champion")
        else:
            verdict = self.promote(version, version.ds, "passed every gate")
        self._catalogue.tag(version, {"why": verdict.why})
        with self.registry.asking() as client:
            client.update_model_version(version.model, str(version.number), description=verdict.why)
        return verdict

    def promote(self, version: Version, ds: str, because: str) -> Verdict:
        """Makes a version champion from night `ds` on, as a night does: never one that learned until an older day than
        the champion, nor against a person who holds the alias."""
        with self._alone():
            state = self._catalogue.state(version.model)
            current = state.champion
            if current is not None and current.number == version.number:
                return Verdict(True, f"{because}; it is champion already")
            if state.held:
                return Verdict(
                    False,
                    f"{because}, but the champion is held ({state.held}):"
                    f" `daybreak models promote {version.model} {version.number} --because …` lets go of it",
                )
            if current is not None and current.trained_until > version.trained_until:
                self._note(state, version, ds, "in hindsight", because)
                return Verdict(
                    False,
                    f"{because}; champion of the nights from {ds} on that are built again, while version"
                    f" {current.number}, which learned until {current.trained_until}, stays champion",
                )
            self._move(state, version, ds, "promoted", because)
            return Verdict(True, because)

    def appoint(self, model: str, number: int, because: str) -> Version:
        """A person's choice of a champion, whatever the gates said. Going back holds it; going on, or naming the
        version that is champion, lets the nights promote again."""
        with self._alone():
            state = self._catalogue.state(model)
            version, current = state.version(number), state.champion
            if current is None or current.number != number:
                self._move(state, version, max(state.newest_day, version.trained_until), "promoted", because)
            if current is not None and current.trained_until > version.trained_until:
                self._hold(model, f"moved back from version {current.number}: {because}")
            else:
                self._let_go(state)
        return self.get(model, number)

    def roll_back(self, model: str, because: str) -> Version:
        """Makes the version champion that was it before the one that is, and holds it."""
        with self._alone():
            state = self._catalogue.state(model)
            if state.champion is None:
                raise RegistryError(f"model {model} has no champion to go back from; see `daybreak models`")
            number = before(state.reigns, state.champion.number)
            if number is None:
                raise RegistryError(
                    f"model {model} had no champion before version {state.champion.number} to go back to; choose one:"
                    f" `daybreak models promote {model} VERSION --because …`"
                )
            self._move(state, state.version(number), state.newest_day, "rolled back", because)
            self._hold(model, f"rolled back from version {state.champion.number}: {because}")
        return self.get(model, number)

    def _note_if_moved(self, state: State, current: Version, ds: str) -> None:
        last = newest(state.reigns)
        if last is not None and (last.number == current.number or ds < last.ds):
            return
        self._note(state, current, ds, "moved by hand", MOVED_BY_HAND)
        if last is not None and state.version(last.number).trained_until > current.trained_until:
            self._hold(state.model, f"{MOVED_BY_HAND}, back from version {last.number}")

    def _move(self, state: State, version: Version, ds: str, how: How, because: str) -> None:
        """Moves the alias, then writes down the reign: if it ends between, the next night notes that it was moved."""
        with self.registry.asking() as client:
            client.set_registered_model_alias(version.model, CHAMPION, str(version.number))
            if CHALLENGER in version.aliases:
                client.delete_registered_model_alias(version.model, CHALLENGER)
        self._note(state, version, ds, how, because)

    def _note(self, state: State, version: Version, ds: str, how: How, because: str) -> None:
        reign = next_reign(state.reigns, version.number, ds, how, because)
        self._catalogue.tag(version, tags_of([*version.reigns, reign]))

    def _hold(self, model: str, why: str) -> None:
        with self.registry.asking() as client:
            client.set_registered_model_tag(model, HELD_TAG, why[:LONGEST_HELD])

    def _let_go(self, state: State) -> None:
        if state.held is not None:
            with self.registry.asking() as client:
                client.delete_registered_model_tag(state.model, HELD_TAG)

    def _alone(self) -> contextlib.AbstractContextManager[None]:
        """One mover of aliases at a time on this machine."""
        return locked(self.registry.home / ".champion.lock")
