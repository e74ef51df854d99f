"""All that is declared, as the `feast` command finds it: `cd feature_repo && feast apply`, `feast feature-views list`.

Only this file of the folder is Feast's to read; the others are steps of the night. Settings are looked for where the
night looks for them, in the folder above.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from daybreak.feature_store import feast_objects
from daybreak.settings import load_settings

with contextlib.chdir(Path(__file__).resolve().parent.parent):
    globals().update({f"declared_{number}": each for number, each in enumerate(feast_objects(load_settings()))})
