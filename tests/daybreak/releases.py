"""Small releases for tests, good unless asked otherwise."""

from __future__ import annotations

from daybreak.releases import Check, Release, ReleaseStore

MODEL, SURFACES = "model", ("for_you",)


def build(store: ReleaseStore, ds: str, content: str = "lists", base: str | None = None) -> str:
    """Builds a release of two files; its id."""
    with store.build(ds=ds, model=MODEL, surfaces=SURFACES, built_from={"tables": {}}, base=base) as draft:
        (draft.path / "lists").write_text(content * 50)
        draft.add("lists", rows=50)
        (draft.path / "items").write_text("items")
        draft.add("items", rows=1)
    return draft.release_id


def audited(store: ReleaseStore, ds: str, content: str = "lists", passes: bool = True) -> str:
    """Builds and audits; its id."""
    release_id = build(store, ds, content)
    store.audit(release_id, [lambda release: Check("taste", passes, "as the test wants it")])
    return release_id


def added(store: ReleaseStore, night: str, hour: int) -> str:
    """Builds, audits and publishes what an hour adds to a night; its id."""
    release_id = build(store, night.rpartition("-")[0], f"hour {hour}", base=night)
    store.audit(release_id, [])
    return store.publish(release_id, reason=f"hour {hour}").id


def published(store: ReleaseStore, ds: str, content: str = "lists", token: int = 0) -> Release:
    """Builds, audits and publishes."""
    return store.publish(audited(store, ds, content), reason=f"night {ds}", token=token)
