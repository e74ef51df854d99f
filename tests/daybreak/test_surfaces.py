"""`surfaces.yaml`: what a shelf may say, and how mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from daybreak.errors import SettingsError
from daybreak.settings import Settings
from daybreak.surfaces import SOURCE_TABLES, SourceName, load_surfaces

SHELF = "query: user, sources: {popular: {quota: 10}}"
MISTAKES = {
    f"front: {{{SHELF}, colour: red}}": "front.colour: Extra inputs are not permitted",
    "front: {query: user, sources: {horoscope: {}}}": "front.sources.horoscope.*'popular', 'trending'",
    "front: {query: item, sources: {cooccurrence: {}}}": "front: .* must hold popular or trending",
    "front: {query: user, sources: {}}": "front.sources: .* at least 1 item",
    "front: {sources: {popular: {}}}": "front.query: Field required",
    f"front: {{{SHELF}, length: 5, gates: {{min_length: 6}}}}": "gates.min_length 6 is more than length 5",
    f"front: {{{SHELF}, gates: {{max_empty: 2}}}}": "front.gates.max_empty: .* less than or equal to 1",
    f"Front Page: {{{SHELF}}}": "Front Page.*pattern",
    f"front: {{{SHELF}}}\nfront: {{{SHELF}}}": "is not YAML: 'front' stands there twice",
    "": "file: Input should be a valid dictionary",
    "- front": "file: Input should be a valid dictionary",
    "{}": "declares no surface",
    "front: [": "is not YAML",
}


def test_the_surfaces_of_the_house_are_valid(settings: Settings) -> None:
    """The file that is delivered loads, and names two shelves with sources that have tables."""
    surfaces = load_surfaces(settings.surfaces)
    assert {"for_you", "similar_items"} <= set(surfaces)
    assert all(set(surface.sources) <= set(SOURCE_TABLES) for surface in surfaces.values())
    assert set(SOURCE_TABLES) == set(SourceName)


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
