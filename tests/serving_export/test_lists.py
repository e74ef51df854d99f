"""The lists of a tiny world are the ones that follow by reasoning."""

from __future__ import annotations

from pathlib import Path

import pytest

from daybreak.candidates import COOCCURRENCE, POPULARITY, TRENDING
from daybreak.datasets import ITEMS, LISTS, USERS
from daybreak.errors import GateError, InputError, SettingsError
from daybreak.lake import Window
from daybreak.learning import GNN_CANDIDATES, TOWER_CANDIDATES
from daybreak.runner import run_steps
from daybreak.steps import step_named
from tests.lake import put
from tests.serving_export.nights import NIGHT, all_items, items_of, put_champion, put_tiny_night, users_of
from tests.tiny import TinyWorld, day

LISTS_STEP = step_named("serving_export.lists")


def make_lists(settings, lake, ds: str = NIGHT) -> dict[tuple[str, str], list[dict]]:
    """Runs the step; the rows of each list in order of rank, by surface and query."""
    run_steps([LISTS_STEP], ds, settings)
    lists: dict[tuple[str, str], list[dict]] = {}
    for row in sorted(lake.table(LISTS).read(Window(ds, ds)).to_pylist(), key=lambda row: row["rank"]):
        lists.setdefault((row["surface"], row["query_id"]), []).append(row)
    return lists


def ids(rows: list[dict]) -> list[str]:
    return [row["candidate_id"] for row in rows]


def bought(world: TinyWorld, user: str) -> set[str]:
    return {
        row["item_id"]
        for number in range(world.days)
        for row in world.events(number)
        if row["user_id"] == user and row["event_type"] == "purchase"
    }


def test_a_user_is_first_given_the_items_of_the_own_group(settings, lake):
    """All that is left of the group comes before any other item, and nothing the user bought comes at all."""
    world = put_tiny_night(lake)
    lists = make_lists(settings, lake)
    for group in range(world.groups):
        for user in users_of(world, group):
            owned = bought(world, user)
            found = ids(lists["for_you", user])
            left = set(items_of(world, group)) - owned
            assert owned
            assert set(found[: len(left)]) == left
            assert sorted(found) == sorted(set(all_items(world)) - owned)


def test_an_item_is_beside_its_group_and_never_beside_itself(settings, lake):
    """The nearest neighbour is first, the own item is nowhere, and every item has a list."""
    world = put_tiny_night(lake)
    lists = make_lists(settings, lake)
    for group in [items_of(world, number) for number in range(world.groups)]:
        for item, before, after in zip(group, ["", *group], [*group[1:], ""], strict=False):
            found = ids(lists["similar_items", item])
            assert item not in found
            assert set(found[: len(group) - 1]) == set(group) - {item}
            assert found[0] in (before, after)
            assert len(found) == 30


def test_whoever_may_not_be_shown_or_asked_for_is_left_out(settings, lake):
    """A retired item stands in no list and has none; a deactivated user has none."""
    world = put_tiny_night(lake)
    later = f"{day(2)}T00:00:00Z"
    retired, gone = world.item(0, 0), world.user(0, 0)
    put(lake, ITEMS, day(2), [{"item_id": retired, "updated_ts": later, "title": "x", "status": "deactivated"}])
    put(lake, USERS, day(2), [{"user_id": gone, "updated_ts": later, "status": "deactivated"}])
    lists = make_lists(settings, lake)
    assert ("for_you", gone) not in lists
    assert ("similar_items", retired) not in lists
    assert retired not in {candidate for rows in lists.values() for candidate in ids(rows)}
    assert ("for_you", world.user(0, 1)) in lists


def test_the_fallback_is_what_everybody_wants(settings, lake):
    """Each surface has a list for nobody in particular: the most wanted first."""
    world = put_tiny_night(lake)
    lists = make_lists(settings, lake)
    ranked = all_items(world)[::-1]
    assert ids(lists["for_you", ""]) == ranked
    assert ids(lists["similar_items", ""]) == ranked[:30]


OURS_ALONE = """
for_you:
  query: user
  length: 6
  sources: {gnn: {quota: 4}, popular: {weight: 0.001}}
  rules: {conditions: [{column: brand, one_of: [ours]}]}
  gates: {min_length: 1}
"""


def put_brands(lake, world: TinyWorld, *ours: str) -> None:
    """These items are ours, all others are not."""
    told = {"updated_ts": f"{day(2)}T00:00:00Z", "status": "active"}
    rows = [
        {**told, "item_id": item, "title": item, "brand": "ours" if item in ours else "theirs"}
        for item in all_items(world)
    ]
    put(lake, ITEMS, day(2), rows)


def test_who_owns_all_that_may_be_shown_has_no_list_and_the_others_have_theirs(settings, lake):
    """A user from whom the rules keep every candidate is left to the lists for whoever has none."""
    world = put_tiny_night(lake)
    ours = world.item(0, 0)
    put_brands(lake, world, ours)
    settings.surfaces.write_text(OURS_ALONE)
    lists = make_lists(settings, lake)
    users = [user for group in range(world.groups) for user in users_of(world, group)]
    owners = [user for user in users if ours in bought(world, user)]
    assert owners
    assert {query for _, query in lists} == {*users, ""} - set(owners)
    assert all(ids(rows) == [ours] for rows in lists.values())


def test_rules_that_keep_out_everything_leave_no_entry_and_the_gates_stop_the_night(settings, lake):
    """Nothing is listed rather than something that may not be."""
    put_brands(lake, put_tiny_night(lake))
    settings.surfaces.write_text(OURS_ALONE)
    assert make_lists(settings, lake) == {}
    with pytest.raises(GateError, match=r"for_you coverage is 0 and must be"):
        run_steps([step_named("serving_export.gates")], NIGHT, settings)


def test_the_same_input_gives_the_same_lists_in_blocks_of_any_size(settings, lake):
    """Digests are equal after a second run, and after one that works on three queries at a time."""
    put_tiny_night(lake)
    digests = []
    for block in (512, 512, 3):
        run_steps([LISTS_STEP], NIGHT, settings, overrides={"block": block})
        digests.append(lake.table(LISTS).digest(NIGHT))
    assert len(set(digests)) == 1


BY_MODEL = """
for_you: {query: user, length: 6, sources: {gnn: {quota: 4}, popular: {weight: 0.001}}, gates: {min_length: 1}}
beside: {query: item, length: 6, sources: {gnn: {quota: 4}, popular: {weight: 0.001}}, gates: {min_length: 1}}
"""


def test_what_a_model_lists_comes_in_its_order(settings, lake):
    """For users and beside items, no more than the quota, less what is owned, what is retired and the item itself;
    whom the model does not list is given what other sources have."""
    world = put_tiny_night(lake)
    Path(settings.surfaces).write_text(BY_MODEL)
    user, retired = world.user(0, 1), world.item(2, 3)
    state = {"updated_ts": f"{day(2)}T00:00:00Z", "title": "x", "status": "deactivated"}
    put(lake, ITEMS, day(2), [{"item_id": retired, **state}])
    owned = sorted(bought(world, user))[0]
    others = [world.item(2, n) for n in (9, 8, 7, 6, 5)]
    put_champion(
        lake,
        {
            ("user", user): [others[0], owned, retired, "nobody knows it", *others[1:]],
            ("item", world.item(0, 0)): [others[1], world.item(0, 0), others[0]],
            ("user", "nobody knows them"): others,
        },
    )
    lists = make_lists(settings, lake)
    mine = lists["for_you", user]
    assert ids(mine)[:4] == others[:4]
    assert [row["source"] for row in mine] == ["gnn"] * 4 + ["popular"] * 2
    assert ids(lists["beside", world.item(0, 0)])[:2] == [others[1], others[0]]
    for surface, query in (("for_you", world.user(0, 2)), ("beside", world.item(0, 1))):
        assert {row["source"] for row in lists[surface, query]} == {"popular"}
        assert len(lists[surface, query]) == 6
    assert ("for_you", "nobody knows them") not in lists
    assert {row["source"] for row in lists["for_you", ""]} == {"popular"}


def test_models_that_list_nothing_leave_the_lists_to_the_others(settings, lake):
    """Empty tables of a night without champions change no entry and no order, only what there is beside them."""
    put_tiny_night(lake)
    with_models = {query: ids(rows) for query, rows in make_lists(settings, lake).items()}
    written = Path(settings.surfaces).read_text()
    Path(settings.surfaces).write_text(
        "\n".join(line for line in written.splitlines() if not line.strip().startswith(("gnn:", "two_tower:")))
    )
    without = {query: ids(rows) for query, rows in make_lists(settings, lake).items()}
    assert written.count("two_tower:") == 2
    assert with_models == without


@pytest.mark.parametrize(
    ("missing", "step"),
    [
        (GNN_CANDIDATES, "training.candidates"),
        (TOWER_CANDIDATES, "indexing.candidates"),
        (POPULARITY, "jobs.popularity"),
    ],
)
def test_lists_need_the_candidates_of_their_own_night(settings, lake, missing, step):
    """Without a table of the night the step says which step to run, and writes nothing."""
    put_tiny_night(lake)
    for dataset in {TOWER_CANDIDATES, GNN_CANDIDATES, COOCCURRENCE, TRENDING, POPULARITY} - {missing}:
        put(lake, dataset, day(9), [])
    with pytest.raises(InputError, match=f"{missing.name} has no day {day(9)}; .*daybreak run {step}"):
        run_steps([LISTS_STEP], day(9), settings)
    assert lake.table(LISTS).version() is None


def test_all_that_is_wrong_with_the_surfaces_is_told_at_once(settings, lake):
    """A source and a key that do not exist are named in one sentence, with the file."""
    put_tiny_night(lake)
    Path(settings.surfaces).write_text(
        "for_you: {query: user, sources: {horoscope: {quota: 5}}, tempo: 3}\nwide: {query: item, sources: {}}\n"
    )
    with pytest.raises(SettingsError) as caught:
        run_steps([LISTS_STEP], NIGHT, settings)
    told = str(caught.value)
    assert "\n" not in told
    for problem in (str(settings.surfaces), "horoscope", "for_you.tempo", "wide.sources"):
        assert problem in told
