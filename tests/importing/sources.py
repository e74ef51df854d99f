"""Tiny sources in each known format, and reading back what an import landed."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from daybreak.importing.import_summary import ImportSummary
from daybreak.importing.importer import ImportOptions, import_data

Row = dict[str, Any]


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    """A file of that text, packed where its name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = text.encode(encoding)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def landed(landing: Path, dataset: str) -> dict[str, list[Row]]:
    """The rows of each delivered day."""
    return {
        day.name.removeprefix("ds="): [
            json.loads(line) for line in gzip.decompress((day / "part-00000.jsonl.gz").read_bytes()).splitlines()
        ]
        for day in sorted((landing / dataset).glob("ds=*"))
    }


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder and its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def imported_by(
    mapping: str, data: Path, landing: Path, replace: bool = False, skip_unplaceable: bool = False
) -> ImportSummary:
    """An import by a mapping of that text."""
    path = write(landing.parent / "mapping.yaml", mapping)
    return import_data(data, landing, ImportOptions("auto", path, replace, skip_unplaceable))


EVENTS_MAPPING = """
events:
  path: "events.*"
  columns:
    event_ts: when
    user_id: who
    item_id: what
    event_type: did
"""


def movielens_100k(folder: Path) -> Path:
    """The original form; the film's title is not ASCII, and written as latin-1."""
    write(folder / "u.data", "196\t242\t3\t881250949\n22\t1\t5\t881337349\n196\t1\t4\t881250950\n")
    flags = "|".join("1" if at in (5, 8) else "0" for at in range(19))
    write(
        folder / "u.item",
        f"1|Misérables, Les (1995)|01-Jan-1995||http://x|{flags}\n242|unknown||||{flags}\n",
        "latin-1",
    )
    write(folder / "u.user", "196|49|M|writer|55105\n22|25|M|other|40206\n")
    return folder


def movielens_atomic(folder: Path) -> Path:
    write(
        folder / "ml-100k.inter",
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n196\t242\t3\t881250949\n22\t1\t5\t881337349\n",
    )
    write(
        folder / "ml-100k.item",
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
        "1\tToy Story\t1995\tAnimation Children's Comedy\n242\tKolya\t1996\tComedy\n",
    )
    write(
        folder / "ml-100k.user",
        "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n196\t49\tM\twriter\t55105\n",
    )
    return folder


def movielens_1m(folder: Path) -> Path:
    write(folder / "ratings.dat.gz", "1::1193::5::978300760\n2::661::3::978387160\n")
    write(
        folder / "movies.dat", "661::Café: au Lait (1993)::Animation|Musical\n1193::Cuckoo (1975)::Drama\n", "latin-1"
    )
    write(folder / "users.dat", "1::F::1::10::48067\n2::M::56::0::70072\n")
    return folder


def movielens_latest(folder: Path) -> Path:
    write(folder / "ratings.csv", "userId,movieId,rating,timestamp\n1,31,2.5,1260759144\n7,1029,3.0,1260845544\n")
    write(
        folder / "movies.csv",
        'movieId,title,genres\n31,"Minds, Dangerous (1995)",Drama\n1029,Dumbo (1941),Animation|Drama\n'
        "5,Nameless,(no genres listed)\n",
    )
    return folder
