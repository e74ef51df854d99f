"""The settings object: where values come from, which wins, and how mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from daybreak.errors import SettingsError
from daybreak.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def nothing_set(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without a configuration file, and no variable."""
    for name in ("HOME", "SURFACES_FILE", "DAGS_DIR", "SPARK_MASTER", "SPARK_MEMORY"):
        monkeypatch.delenv(f"DAYBREAK_{name}")


def test_the_defaults_are_one_machine_and_one_folder(tmp_path: Path) -> None:
    """Without any setting everything is below ./var, as absolute paths, and nothing listens beyond this machine."""
    found = load_settings()
    assert found.root == tmp_path / "var"
    assert found.lake == str(tmp_path / "var" / "lake")
    for place in (found.landing, found.releases, found.lineage, found.reports, found.world, found.scratch):
        assert place.parent == found.root
    assert found.host == "127.0.0.1"


def test_a_variable_wins_over_the_file_and_the_file_over_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variable, then daybreak.toml, then default."""
    Path("daybreak.toml").write_text('home = "here"\nkeep_releases = 5\n[steps."jobs.ingest"]\nmax_bad_share = 0.2\n')
    monkeypatch.setenv("DAYBREAK_KEEP_RELEASES", "7")
    found = load_settings()
    assert (found.root, found.keep_releases, found.seed) == (tmp_path / "here", 7, Settings().seed)
    assert found.steps == {"jobs.ingest": {"max_bad_share": 0.2}}


def test_the_file_may_be_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DAYBREAK_CONFIG names it; a file that is not there is an error, because it was asked for."""
    (tmp_path / "other.toml").write_text("seed = 3\n")
    monkeypatch.setenv("DAYBREAK_CONFIG", str(tmp_path / "other.toml"))
    assert load_settings().seed == 3
    monkeypatch.setenv("DAYBREAK_CONFIG", str(tmp_path / "nowhere.toml"))
    with pytest.raises(SettingsError, match=r"there is no file .*nowhere.toml"):
        load_settings()


def test_all_mistakes_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown variables and keys, wrong types and values out of range: one sentence, and the names there are."""
    Path("daybreak.toml").write_text('keep_releases = 1\nhoome = "x"\nseed = "many"\n')
    monkeypatch.setenv("DAYBREAK_HOEM", "x")
    monkeypatch.setenv("daybreak_lower", "x")
    monkeypatch.setenv("DAYBREAK_READER_PORT", "99999")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    said = str(caught.value)
    for name in ("DAYBREAK_HOEM: no such setting", "daybreak_lower: no such setting", "hoome: no such setting"):
        assert name in said
    for name in ("keep_releases: ", "seed: ", "reader_port: "):
        assert name in said
    assert "\n" not in said
    assert "The settings are: airflow_port, dags_dir, feature_history_days, " in said


@pytest.mark.parametrize("content", [b"home =", b"\xff\xfe", None])
def test_a_file_that_is_no_toml_is_told(content: bytes | None) -> None:
    """Half a line, no text at all, or a folder: a sentence with the file's name."""
    path = Path("daybreak.toml")
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"daybreak.toml: not a TOML file"):
        load_settings()


def test_a_table_in_a_variable_is_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """Options of the object store come as a JSON object; anything else is a sentence and no traceback."""
    monkeypatch.setenv("DAYBREAK_LAKE_OPTIONS", '{"aws_region": "eu-central-1"}')
    assert load_settings().lake_options == {"aws_region": "eu-central-1"}
    monkeypatch.setenv("DAYBREAK_LAKE_OPTIONS", "aws_region=eu-central-1")
    with pytest.raises(SettingsError, match=r"lake_options.* written as JSON"):
        load_settings()


def test_settings_cannot_be_changed() -> None:
    """What a run was configured with is what it is recorded with."""
    found = load_settings()
    with pytest.raises(ValidationError, match="frozen"):
        found.seed = 1


@pytest.mark.parametrize("url", ["ftp://somewhere/lake", "s3:/bucket", "s3://"])
def test_a_lake_that_cannot_be_is_told(url: str) -> None:
    """A URL that no store understands is one sentence."""
    from daybreak.lake import Lake

    with pytest.raises(SettingsError, match="DAYBREAK_LAKE_URL") as caught:
        Lake(url)
    assert "\n" not in str(caught.value)
