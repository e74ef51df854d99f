"""Looking features up through Feast alone, as a user does."""

from __future__ import annotations

from typing import Any

from daybreak.features.declaration import FeatureView
from daybreak.features.views import VIEWS
from daybreak.settings import Settings
from feature_repo.comparison import same
from feature_repo.tables import as_online
from tests.feature_repo.nights import Row, key

EVERYBODY = range(12)


class Lookups:
    """Feast's answers."""

    def __init__(self, settings: Settings) -> None:
        from daybreak.feature_store import open_store

        self.store = open_store(settings)

    def of(self, view: FeatureView, number: int) -> Row:
        """The features of one entity."""
        return self.all_of(view, [number])[0]

    def all_of(self, view: FeatureView, numbers: Any = EVERYBODY) -> list[Row]:
        asked = [key(view, number) for number in numbers]
        names = [f"{view.name}:{name}" for name in view.feature_names]
        found = self.store.get_online_features(names, asked, full_feature_names=False).to_dict()
        return [{name: found[name][place] for name in view.feature_names} for place in range(len(asked))]

    def everything(self) -> str:
        """All values of all views, to the last bit."""
        return repr({name: self.all_of(view) for name, view in VIEWS.items()})


def equal(view: FeatureView, found: Row, written: Row) -> bool:
    """Whether what was looked up is what was written."""
    return all(same(as_online(each.type, _stored(written[each.name])), found[each.name]) for each in view.features)


def _stored(value: Any) -> Any:
    """A value as the lake keeps it: vectors in single precision."""
    import numpy as np

    if isinstance(value, list) and value and isinstance(value[0], float):
        return np.array(value, np.float32).astype(float).tolist()
    return value
