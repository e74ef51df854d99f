"""`surfaces.yaml`: what a shelf may say, and how mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from daybreak.errors import SettingsError
from daybreak.settings import Settings
from daybreak.sources import FOR_EVERYONE, KINDS, READ, SourceName
from daybreak.surfaces import load_surfaces

SHELF = "query: user, sources: {popular: {quota: 10}}"
PEOPLE = "query: user, candidate: user, sources: {well_known: {}}"
BESIDE = "query: item, sources: {popular: {}}"
MISTAKES = {
    f"front: {{{SHELF}, colour: red}}": "front.colour: Extra inputs are not permitted",
    "front: {query: user, sources: {horoscope: {}}}": "front.sources.horoscope.*'two_tower', 'gnn'",
    "front: {query: user, sources: {}}": "front.sources: .* at least 1 item",
    "front: {sources: {popular: {}}}": "front.query: Field required",
    f"Front Page: {{{SHELF}}}": "Front Page.*pattern",
    f"front: {{{SHELF}}}\nfront: {{{SHELF}}}": "is not YAML: 'front' stands there twice",
    "": "file: Input should be a valid dictionary",
    "- front": "file: Input should be a valid dictionary",
    "{}": "declares no surface",
    "front: [": "is not YAML",
    f"front: {{{SHELF}, candidate: planet}}": "front.candidate: Input should be 'user' or 'item'",
    f"front: {{{SHELF}, length: 0}}": "front.length: .* greater than or equal to 1",
    f"front: {{{SHELF}, length: 1001}}": "front.length: .* less than or equal to 1000",
    f"front: {{{SHELF}, reserve: -1}}": "front.reserve: .* greater than or equal to 0",
    f"front: {{{SHELF}, reserve: 1001}}": "front.reserve: .* less than or equal to 1000",
    f"front: {{{SHELF}, history_days: 0}}": "front.history_days: .* greater than or equal to 1",
    f"front: {{{SHELF}, history_items: 0}}": "front.history_items: .* greater than or equal to 1",
    f"front: {{{SHELF}, half_evidence: 0}}": "front.half_evidence: .* greater than 0",
    # sources
    "front: {query: user, sources: {popular: {quota: 0}}}": "popular.quota: .* greater than or equal to 1",
    "front: {query: user, sources: {popular: {quota: 10001}}}": "popular.quota: .* less than or equal to 10000",
    "front: {query: user, sources: {popular: {weight: 0}}}": "front.sources.popular.weight: .* greater than 0",
    "front: {query: user, sources: {popular: {evidence: some}}}": "popular.evidence: .* 'any', 'much' or 'little'",
    "front: {query: user, sources: {popular: {fallback: stars}}}": "popular.fallback: Input should be 'two_tower'",
    "front: {query: user, sources: {popular: {}, people: {}}}": "people proposes user → user, .* is user → item",
    "front: {query: item, sources: {popular: {}, rebuy: {}}}": "rebuy proposes user → item, .* is item → item",
    "front: {query: item, sources: {popular: {}, segment: {}}}": "segment proposes user → item, .* is item → item",
    "front: {query: user, sources: {popular: {fallback: walks}}}": "walks proposes user → user, .* is user → item",
    "front: {query: user, candidate: user, sources: {well_known: {}, gnn: {}}}": (
        "gnn proposes user → item, item → item, and this surface is user → user"
    ),
    "front: {query: item, candidate: user, sources: {well_known: {}}}": "well_known proposes .* is item → user",
    "front: {query: item, sources: {cooccurrence: {}}}": "front: .* must hold trending or popular: nothing else makes",
    "front: {query: user, sources: {gnn: {fallback: popular}}}": "front: .* must hold trending or popular",
    "front: {query: user, candidate: user, sources: {people: {}}}": "front: .* must hold lively or well_known: nothing",
    # rules
    f"front: {{{SHELF}, rules: {{seen_days: -1}}}}": "front.rules.seen_days: .* greater than or equal to 0",
    f"front: {{{SHELF}, rules: {{liked: true}}}}": "front.rules.liked: Extra inputs are not permitted",
    f"front: {{{SHELF}, rules: {{conditions: [{{column: price}}]}}}}": (
        "rules.conditions.0: .* says one of at_least, at_most, one_of, none_of; found 0"
    ),
    f"front: {{{SHELF}, rules: {{conditions: [{{column: price, at_least: 1, at_most: 2}}]}}}}": ".0: .*found 2",
    f"front: {{{SHELF}, rules: {{conditions: [{{at_least: 1}}]}}}}": "rules.conditions.0.column: Field required",
    f"front: {{{SHELF}, rules: {{conditions: [{{column: colour, one_of: [red]}}]}}}}": (
        "conditions names 'colour', no such column; there are: item_id, .*price"
    ),
    f"front: {{{PEOPLE}, rules: {{conditions: [{{column: price, at_least: 1}}]}}}}": (
        "conditions names 'price', no such column; there are: user_id, .*country"
    ),
    f"front: {{{SHELF}, rules: {{conditions: [{{column: price, one_of: [dear]}}]}}}}": (
        "conditions compares 'price', which is float64, with what it cannot be"
    ),
    f"front: {{{SHELF}, rules: {{conditions: [{{column: brand, at_least: 1}}]}}}}": "'brand', which is string",
    f"front: {{{SHELF}, rules: {{conditions: [{{column: in_stock, one_of: [yes]}}]}}}}": ".0.one_of.0: .*string",
    f"front: {{{SHELF}, rules: {{conditions: [{{column: in_stock, none_of: [sold]}}]}}}}": "'in_stock', which is bool",
    f"front: {{{SHELF}, rules: {{conditions: [{{column: launched_ts, at_least: 1}}]}}}}": "which is timestamp",
    # ranking
    f"front: {{{SHELF}, rank: {{by: taste}}}}": "front.rank.by: Input should be 'ranker', 'ties' or 'fusion'",
    f"front: {{{BESIDE}, rank: {{by: ranker}}}}": "rank.by ranker orders items for users; use fusion for any other",
    f"front: {{{PEOPLE}, rank: {{by: ranker}}}}": "rank.by ranker orders items for users; use fusion for any other",
    f"front: {{{SHELF}, rank: {{candidates: 0}}}}": "front.rank.candidates: .* greater than or equal to 1",
    f"front: {{{SHELF}, rank: {{fusion: -1}}}}": "front.rank.fusion: .* greater than or equal to 0",
    f"front: {{{SHELF}, rank: {{reciprocity: 2}}}}": "front.rank.reciprocity: .* less than or equal to 1",
    f"front: {{{SHELF}, rank: {{utility: {{laughed: 1, wept: 1}}}}}}": (
        "front.rank: .*utility names laughed, wept; the ranker foresees clicked, carted, purchased"
    ),
    f"front: {{{SHELF}, rank: {{utility: {{clicked: -1}}}}}}": "rank.utility.clicked: .* greater than or equal to 0",
    f"front: {{{SHELF}, rank: {{utility: {{clicked: 0}}}}}}": "utility must give some outcome a worth above 0",
    f"front: {{{SHELF}, rank: {{utility: {{}}}}}}": "utility must give some outcome a worth above 0",
    # what is done with what was ranked
    f"front: {{{SHELF}, caps: {{colour: 2}}}}": "caps names 'colour', no column of text of items; there are: .*'brand'",
    f"front: {{{SHELF}, caps: {{price: 2}}}}": "caps names 'price', no column of text of items",
    f"front: {{{SHELF}, caps: {{brand: 0}}}}": "front.caps.brand: .* greater than or equal to 1",
    f"front: {{{PEOPLE}, caps: {{variants: 2}}}}": "caps names 'variants', no column of text of users; .*'school'",
    f"front: {{{SHELF}, diversity: {{method: luck}}}}": "front.diversity.method: .* 'none', 'mmr' or 'dpp'",
    f"front: {{{SHELF}, diversity: {{strength: 1.1}}}}": "front.diversity.strength: .* less than or equal to 1",
    f"front: {{{SHELF}, freshness: {{boost: -1}}}}": "front.freshness.boost: .* greater than or equal to 0",
    f"front: {{{SHELF}, freshness: {{half_life_days: 0}}}}": "front.freshness.half_life_days: .* greater than 0",
    f"front: {{{SHELF}, exploration: {{slots: [3, 2]}}}}": "front.exploration: .* slots must rise",
    f"front: {{{SHELF}, exploration: {{slots: [3, 3]}}}}": "front.exploration: .* slots must rise",
    f"front: {{{SHELF}, exploration: {{slots: [-1]}}}}": "exploration.slots.0: .* greater than or equal to 0",
    f"front: {{{SHELF}, length: 20, exploration: {{slots: [3, 20]}}}}": "exploration.slots has 20, past the length 20",
    f"front: {{{SHELF}, exploration: {{pool: 0}}}}": "front.exploration.pool: .* greater than or equal to 1",
    f"front: {{{SHELF}, exploration: {{pool: 201}}}}": "front.exploration.pool: .* less than or equal to 200",
    f"front: {{{SHELF}, exploration: {{shown_below: 0}}}}": "exploration.shown_below: .* greater than or equal to 1",
    f"front: {{{PEOPLE}, exploration: {{slots: [1]}}}}": "exploration.slots has no meaning where users are recommended",
    f"front: {{{PEOPLE}, diversity: {{method: mmr}}}}": "diversity.method has no meaning where users are recommended",
    f"front: {{{PEOPLE}, freshness: {{boost: 1}}}}": "freshness.boost has no meaning where users are recommended",
    f"front: {{{SHELF}, rank: {{reciprocity: 1}}}}": "rank.reciprocity has no meaning where items are recommended",
    # gates
    f"front: {{{SHELF}, length: 5, gates: {{min_length: 6}}}}": "gates.min_length 6 is more than length 5",
    f"front: {{{SHELF}, length: 5}}": "gates.min_length 10 is more than length 5",
    f"front: {{{SHELF}, gates: {{max_empty: 2}}}}": "front.gates.max_empty: .* less than or equal to 1",
    f"front: {{{SHELF}, gates: {{min_coverage: -0.1}}}}": "front.gates.min_coverage: .* greater than or equal to 0",
    f"front: {{{SHELF}, gates: {{segment_size: 0}}}}": "front.gates.segment_size: .* greater than or equal to 1",
    f"front: {{{SHELF}, gates: {{max_sorrow: 1}}}}": "front.gates.max_sorrow: Extra inputs are not permitted",
}


def test_the_surfaces_of_the_house_are_valid(settings: Settings) -> None:
    """The file that is delivered loads, and names a shelf of each kind."""
    surfaces = load_surfaces(settings.surfaces)
    assert {"for_you", "similar_items", "people_you_may_know"} <= set(surfaces)
    kinds = {(surface.query.value, surface.candidate.value) for surface in surfaces.values()}
    assert kinds == {("user", "item"), ("item", "item"), ("user", "user")}


def test_every_source_is_declared_and_serves_some_list() -> None:
    """With what it reads, for which lists it can be asked, and what it says to people; for each there is a fallback."""
    assert set(KINDS) == set(SourceName)
    shapes = {shape for kind in KINDS.values() for shape in kind.serves}
    assert all(kind.serves and kind.says for kind in KINDS.values())
    assert all(any(shape in KINDS[name].serves for name in FOR_EVERYONE) for shape in shapes)
    assert {dataset for kind in KINDS.values() for dataset in kind.reads} == set(READ)


def test_a_list_is_kept_longer_than_it_is_shown(tmp_path: Path) -> None:
    """What waits behind is stored beside what is shown, also where its places could hold nothing that is drawn."""
    path = tmp_path / "surfaces.yaml"
    path.write_text(f"front: {{{SHELF}, length: 20, reserve: 5, exploration: {{slots: [3, 19]}}}}")
    assert load_surfaces(path)["front"].stored == 25


def test_sources_that_stand_in_for_others_are_asked_too(tmp_path: Path) -> None:
    """Each once, with its own settings where it has any."""
    path = tmp_path / "surfaces.yaml"
    sources = "{gnn: {fallback: ease}, two_tower: {fallback: trending, quota: 7}, trending: {quota: 9}}"
    path.write_text(f"front: {{query: user, sources: {sources}}}")
    asked = load_surfaces(path)["front"].asked
    assert {name.value for name in asked} == {"gnn", "ease", "two_tower", "trending"}
    assert asked[SourceName.TRENDING].quota == 9


@pytest.mark.parametrize(
    "condition",
    ["column: price, at_most: 5", "column: brand, none_of: [x]", "column: category, one_of: [x, y]"],
)
def test_a_condition_on_a_column_of_its_kind_is_kept(tmp_path: Path, condition: str) -> None:
    """Numbers have bounds, texts have names."""
    path = tmp_path / "surfaces.yaml"
    path.write_text(f"front: {{{SHELF}, rules: {{conditions: [{{{condition}}}]}}, caps: {{variants: 2, brand: 3}}}}")
    (kept,) = load_surfaces(path)["front"].rules.conditions
    assert kept.is_about_numbers is ("price" in condition)


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_one_sentence_with_its_place(tmp_path: Path, text: str) -> None:
    """File, shelf, field and what was expected, in one line."""
    path = tmp_path / "surfaces.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=MISTAKES[text]) as caught:
        load_surfaces(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """Two shelves, two mistakes, one sentence."""
    path = tmp_path / "surfaces.yaml"
    path.write_text(f"one: {{{SHELF}, length: 0}}\ntwo: {{query: planet, sources: {{popular: {{}}}}}}\n")
    with pytest.raises(SettingsError) as caught:
        load_surfaces(path)
    assert "one.length" in str(caught.value)
    assert "two.query" in str(caught.value)


def test_a_file_that_is_not_there_or_no_file_is_told(tmp_path: Path) -> None:
    """The sentence names the variable that chooses the file."""
    with pytest.raises(SettingsError, match=r"there is no surfaces file .* DAYBREAK_SURFACES_FILE"):
        load_surfaces(tmp_path / "nowhere.yaml")
    with pytest.raises(SettingsError, match="is not YAML"):
        load_surfaces(tmp_path)
