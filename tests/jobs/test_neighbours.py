"""Items bought and viewed together, BM25 and the segments' favourites: equal to what other engines and plain loops work
out over random days, and right by reasoning in a world so small that each promise has items of its own."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from random import Random

import duckdb
import pytest
from pyspark.sql import SparkSession

from daybreak.candidates import BM25, CO_PURCHASE, CO_VIEW, SEGMENTS
from daybreak.clock import days_before, parse_day
from daybreak.datasets import EVENTS, USERS
from daybreak.interest import WEIGHTS
from daybreak.lake import Lake, Window
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named
from tests.lake import put, put_days
from tests.tiny import Row, day

TABLES = {"segments": SEGMENTS, "co_view": CO_VIEW, "co_purchase": CO_PURCHASE, "bm25": BM25}
STEPS = [step_named(f"jobs.{name}") for name in TABLES]
NIGHT = day(30)
KINDS = ("impression", "view", "view", "cart", "purchase", "purchase", "rating", "dismiss")
KEPT = {"jobs.segments": {"kept": 25}, **{f"jobs.{name}": {"neighbours": 12} for name in TABLES if name != "segments"}}
pytestmark = pytest.mark.slow

KNOWN = "SELECT * FROM events WHERE ds BETWEEN $since AND $night AND landed_ds <= $night"
WEIGHTED = f"""
    SELECT *, CASE event_type WHEN 'view' THEN 1.0 WHEN 'purchase' THEN 5.0 ELSE 3.0 END
              * pow(0.5, date_diff('day', ds::DATE, $night::DATE) / 7.0) AS weight
    FROM ({KNOWN}) WHERE event_type IN ('view', 'cart', 'rating', 'purchase')
"""
SEGMENTS_SQL = f"""
    WITH told AS ({WEIGHTED}),
    states AS (
        SELECT user_id, segment FROM users WHERE ds <= $night
        QUALIFY row_number() OVER (PARTITION BY user_id ORDER BY updated_ts DESC, ds DESC) = 1
    ),
    everybody AS (SELECT item_id, sum(weight) / (SELECT sum(weight) FROM told) AS share FROM told GROUP BY item_id)
    SELECT segment, item_id, round(sum(weight) + 20 * any_value(share), 9) AS score, count(*) AS events
    FROM told JOIN states USING (user_id) JOIN everybody USING (item_id) WHERE segment IS NOT NULL
    GROUP BY segment, item_id
    QUALIFY row_number() OVER (PARTITION BY segment ORDER BY score DESC, item_id) <= 25
"""
CO_VIEW_SQL = f"""
    WITH baskets AS (
        SELECT DISTINCT user_id, session_id, item_id FROM ({KNOWN})
        WHERE event_type IN ('view', 'cart', 'purchase') AND session_id IS NOT NULL
    ),
    sizes AS (SELECT item_id, count(*) AS visits FROM baskets GROUP BY item_id),
    pairs AS (
        SELECT a.item_id, b.item_id AS neighbour_id, count(*) AS visits, count(DISTINCT user_id) AS users
        FROM baskets a JOIN baskets b USING (user_id, session_id)
        WHERE a.item_id <> b.item_id GROUP BY ALL HAVING count(DISTINCT user_id) >= 2
    )
    SELECT p.item_id, p.neighbour_id, round(p.visits / (sqrt(x.visits * y.visits) + 10), 9) AS score, p.users
    FROM pairs p JOIN sizes x ON x.item_id = p.item_id JOIN sizes y ON y.item_id = p.neighbour_id
    QUALIFY row_number() OVER (PARTITION BY p.item_id ORDER BY score DESC, p.neighbour_id) <= 12
"""
CO_PURCHASE_SQL = f"""
    WITH bought AS (SELECT DISTINCT user_id, item_id, ds::DATE AS on_day FROM ({KNOWN}) WHERE event_type = 'purchase'),
    buyers AS (SELECT item_id, count(DISTINCT user_id) AS users FROM bought GROUP BY item_id),
    pairs AS (
        SELECT a.item_id, b.item_id AS neighbour_id, count(DISTINCT user_id) AS users
        FROM bought a JOIN bought b USING (user_id)
        WHERE a.item_id <> b.item_id AND abs(date_diff('day', a.on_day, b.on_day)) <= 14
        GROUP BY ALL HAVING count(DISTINCT user_id) >= 2
    )
    SELECT p.item_id, p.neighbour_id,
           round(p.users * (SELECT count(DISTINCT user_id) FROM bought) / (x.users * y.users)
                 * p.users / (p.users + 10), 9) AS score,
           p.users
    FROM pairs p JOIN buyers x ON x.item_id = p.item_id JOIN buyers y ON y.item_id = p.neighbour_id
    QUALIFY row_number() OVER (PARTITION BY p.item_id ORDER BY score DESC, p.neighbour_id) <= 12
"""
Figures = dict[tuple[str, str], tuple[float, int]]


def random_events(random: Random, landed: int) -> list[Row]:
    """What a day delivers: events of the day and late ones, of few users and popular items, in visits over days whose
    names are anybody's."""
    rows = []
    for number in range(random.randint(30, 50)):
        happened = day(max(landed - random.choice([0] * 8 + [1, 2, 3]), 0))
        rows.append(
            {
                "event_id": f"{landed}-{number}",
                "event_ts": f"{happened}T{random.randint(0, 3):02d}:00:00+00:00",
                "user_id": f"u{random.randint(0, 19)}",
                "item_id": f"i{min(int(random.paretovariate(0.7)), 60)}",
                "event_type": random.choice(KINDS),
                "session_id": random.choice([None, f"s{landed // 4}-0", f"s{landed // 4}-1"]),
            }
        )
    return rows


def random_users(random: Random) -> dict[str, list[Row]]:
    """States of users, who are in a segment at times; what is told later need not be newer."""
    states: dict[str, list[Row]] = defaultdict(list)
    for number in range(30):
        told = random.choice([0, 0, 3, 29, 30, 31, 33])
        began = max(told - random.choice([0, 0, 1, 5]), 0)
        states[day(told)].append(
            {
                "user_id": f"u{number % 17}",
                "updated_ts": f"{day(began)}T{number % 24:02d}:00:00+00:00",
                "segment": random.choice(["young", "old", "old", None]),
                "status": random.choice(["active", "active", "deactivated"]),
            }
        )
    return dict(states)


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Settings:
    """Events and users of 36 days, landed to the end before an earlier night is counted."""
    settings = Settings(home=tmp_path_factory.mktemp("counted"), steps=KEPT)
    lake, random = Lake.of(settings), Random(11)
    put_days(lake, EVENTS, {day(landed): random_events(random, landed) for landed in range(36)})
    put_days(lake, USERS, random_users(random))
    run_steps(STEPS, NIGHT, settings)
    return settings


def found(settings: Settings, name: str, night: str = NIGHT) -> Figures:
    dataset = TABLES[name]
    rows = Lake.of(settings).table(dataset).read(Window(night, night), dataset.column_names).to_pylist()
    made = {tuple(list(row.values())[:2]): tuple(list(row.values())[2:]) for row in rows}
    assert len(made) == len(rows)
    return made


def by_duckdb(settings: Settings, sql: str, window_days: int) -> Figures:
    lake = Lake.of(settings)
    with duckdb.connect() as connection:
        for dataset in (EVENTS, USERS):
            connection.register(dataset.short_name, lake.table(dataset).read(Window()))
        values = {"night": NIGHT, "since": days_before(NIGHT, window_days - 1)}
        return {tuple(row[:2]): row[2:] for row in connection.execute(sql, values).fetchall()}


def assert_agree(made: Figures, expected: Figures, tolerance: float) -> None:
    assert len(expected) > 40
    assert made.keys() == expected.keys()
    for key, (score, count) in expected.items():
        assert made[key][1] == count, key
        assert math.isclose(made[key][0], score, abs_tol=tolerance), key


@pytest.mark.parametrize(
    ("name", "sql", "window_days"),
    [("segments", SEGMENTS_SQL, 28), ("co_view", CO_VIEW_SQL, 28), ("co_purchase", CO_PURCHASE_SQL, 90)],
)
def test_counts_equal_those_of_another_engine(counted, name, sql, window_days):
    """The same keys, counts and scores, from what had happened and landed by that night, cut off at the same place."""
    assert_agree(found(counted, name), by_duckdb(counted, sql, window_days), 2e-9)


def test_bm25_equals_a_plain_loop(counted):
    """Items as documents and users as their words, each score added up one user after another."""
    rows = Lake.of(counted).table(EVENTS).read(Window(days_before(NIGHT, 27), NIGHT)).to_pylist()
    wants: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        if row["landed_ds"] <= NIGHT and row["event_type"] in WEIGHTS:
            age = (parse_day(NIGHT) - parse_day(row["ds"])).days
            wants[row["user_id"]][row["item_id"]] += WEIGHTS[row["event_type"]] * 0.5 ** (age / 7)
    lengths: Counter[str] = Counter()
    for items in wants.values():
        lengths.update(items)
    mean = sum(lengths.values()) / len(lengths)
    scores: dict[str, Counter[str]] = defaultdict(Counter)
    users: Counter[tuple[str, str]] = Counter()
    for items in wants.values():
        rarity = math.log(1 + (len(lengths) - len(items) + 0.5) / (len(items) + 0.5))
        weights = {i: rarity * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * lengths[i] / mean)) for i, tf in items.items()}
        for item, weight in weights.items():
            for other, beside in weights.items():
                if other != item:
                    scores[item][other] += weight * beside
                    users[item, other] += 1
    expected = {}
    for item, others in scores.items():
        enough = [(-score, other) for other, score in others.items() if users[item, other] >= 2]
        expected |= {(item, other): (-score, users[item, other]) for score, other in sorted(enough)[:12]}
    assert_agree(found(counted, "bm25"), expected, 1e-4)


def test_counting_again_after_later_days_landed_gives_the_same_digests(counted):
    """A second run of an early night equals the first to the last bit."""
    lake = Lake.of(counted)
    before = [lake.table(dataset).digest(NIGHT) for dataset in TABLES.values()]
    put(lake, EVENTS, day(40), random_events(Random(3), 33))
    put(lake, USERS, day(40), [{"user_id": "u1", "updated_ts": f"{day(40)}T00:00:00Z", "segment": "new", "status": ""}])
    run_steps(STEPS, NIGHT, counted)
    assert [lake.table(dataset).digest(NIGHT) for dataset in TABLES.values()] == before


def test_a_night_without_events_has_empty_tables(tmp_path, spark):
    """Every table is written, with no row."""
    settings = Settings(home=tmp_path)
    run_steps(STEPS, NIGHT, settings)
    for name, dataset in TABLES.items():
        assert Lake.of(settings).table(dataset).was_written(NIGHT)
        assert not found(settings, name)


class Told:
    """Events of a night that are told one by one."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def __call__(self, user: str, *items: str, kind: str = "view", visit: str | None = None, age: int = 0) -> None:
        """A user meets items one minute after another, so many days ago."""
        for minute, item in enumerate(items):
            self.rows.append(
                {
                    "event_id": f"e{len(self.rows)}",
                    "event_ts": f"{days_before(NIGHT, age)}T12:{minute:02d}:00+00:00",
                    "user_id": user,
                    "item_id": item,
                    "event_type": kind,
                    "session_id": visit,
                }
            )


def visits(told: Told) -> None:
    """Visits whose items are named by what they show."""
    for user in ("u1", "u2"):
        told(user, "seen-a", "seen-b", visit="v1")
        told(user, "lost-a", "lost-b")
        told(user, *(f"long-{number:02d}" for number in range(55)), visit="v2")
        told(user, "rated-a", "rated-b", kind="rating", visit="v3")
    told("u1", "cart-a", kind="cart", visit="v5")
    told("u1", "cart-b", kind="purchase", visit="v5")
    told("u2", "cart-a", "cart-b", visit="v6", age=3)
    for visit in ("v7", "v8"):
        told("u1", "alone-a", "alone-b", visit=visit)
    told("u1", "apart-a", visit="v9")
    told("u2", "apart-b", visit="v9")


def purchases(told: Told) -> None:
    """The same for what is bought."""
    for user, swapped in (("b1", False), ("b2", True)):
        first, then = ("order-a", "order-b") if not swapped else ("order-b", "order-a")
        told(user, first, kind="purchase", age=40)
        told(user, then, kind="purchase", age=26)
        told(user, "far-a", kind="purchase", age=60)
        told(user, "far-b", kind="purchase", age=45)
        told(user, "again-a", kind="purchase", age=80)
        told(user, "again-a", kind="purchase", age=63)
        told(user, "again-b", kind="purchase", age=60)
        told(user, "viewed", "carted", kind="cart")
        told(user, "old-a", "old-b", kind="purchase", age=90)
    told("b1", "one-a", "one-b", kind="purchase")
    for user in ("b3", "b4"):
        told(user, *(f"much-{number:02d}" for number in range(15)), kind="purchase")


def tastes(told: Told) -> None:
    """Users with and without a segment."""
    told("young", "young-1", "everyone", age=7)
    told("changed", "changed-1")
    told("later", "later-1")
    told("mended", "mended-1")
    told("nobody", "none-1", "everyone", kind="purchase")
    told("unknown", "none-2")
    told("crowd", "crowd-c", "crowd-a", "crowd-b")
    told("crowd", "crowd-e", "crowd-d", age=7)


def favourites(told: Told) -> None:
    """Users of few wants and of many; what was wanted yesterday has faded to nothing."""
    for number in range(2):
        told(f"few-{number}", "pair-a", "pair-b")
        told(f"many-{number}", "crowd-a", "crowd-b", "crowd-c")
        told(f"over-{number}", *(f"over-{place}" for place in range(6)))
        told(f"tied-{number}", "tie-3", "tie-1", "tie-4", "tie-0", "tie-2")
        told(f"old-{number}", "new-a")
        told(f"old-{number}", "old-a", age=1)
    told("single", "single-a", "single-b")


STATES = {
    day(1): [
        ("young", 1, "young"),
        ("changed", 1, "before"),
        ("later", 2, "settled"),
        ("nobody", 1, "some"),
        ("mended", 1, "wrong"),
    ],
    day(2): [("changed", 2, "after"), ("crowd", 1, "crowd"), ("later", 1, "earlier"), ("nobody", 2, None)],
    day(3): [("mended", 1, "right")],
    day(31): [("young", 31, "future")],
}
SMALL = {
    "jobs.segments": {"prior": 4.0, "kept": 4},
    "jobs.co_view": {"shrinkage": 0.0},
    "jobs.co_purchase": {"items_per_user": 12, "shrinkage": 2.0},
    "jobs.bm25": {"items_per_user": 5, "half_life_days": 0.001, "neighbours": 2},
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Settings:
    """A world that was thought out; each step is shown a night of its own making."""
    settings = Settings(home=tmp_path_factory.mktemp("small"), steps=SMALL)
    lake = Lake.of(settings)
    put_days(
        lake,
        USERS,
        {
            landed: [
                {"user_id": user, "updated_ts": f"{day(began)}T00:00:00Z", "segment": segment, "status": "active"}
                for user, began, segment in states
            ]
            for landed, states in STATES.items()
        },
    )
    for name, tell in (("segments", tastes), ("co_view", visits), ("co_purchase", purchases), ("bm25", favourites)):
        told = Told()
        tell(told)
        put(lake, EVENTS, NIGHT, told.rows)
        run_steps([step_named(f"jobs.{name}")], NIGHT, settings)
    return settings


def pairs(settings: Settings, name: str, prefix: str) -> dict[tuple[str, str], tuple[float, int]]:
    """The pairs of items whose names begin so."""
    return {key: figures for key, figures in found(settings, name).items() if key[0].startswith(prefix)}


def test_items_of_a_visit_are_beside_each_other(small):
    """Both ways, by views, carts and purchases; the cosine of two that are always together is 1."""
    both = {("seen-a", "seen-b"): (1.0, 2), ("seen-b", "seen-a"): (1.0, 2)}
    assert pairs(small, "co_view", "seen") == both
    assert pairs(small, "co_view", "cart") == {("cart-a", "cart-b"): (1.0, 2), ("cart-b", "cart-a"): (1.0, 2)}


@pytest.mark.parametrize("prefix", ["lost", "rated", "apart"])
def test_what_is_not_seen_in_one_visit_makes_no_pair(small, prefix):
    """Neither events without a visit, nor ratings, nor visits of two users that have one name."""
    assert not pairs(small, "co_view", prefix)


def test_one_user_alone_makes_no_neighbours(small):
    """However many visits, and however many items: `min_users` counts users."""
    assert not pairs(small, "co_view", "alone")
    assert not pairs(small, "co_purchase", "one")
    assert not pairs(small, "bm25", "single")


def test_of_a_long_visit_the_newest_items_count(small):
    """The first 5 of 55 have no neighbour."""
    seen = {item for item, _ in pairs(small, "co_view", "long")}
    assert seen == {f"long-{number:02d}" for number in range(5, 55)}


def test_purchases_within_days_tie_whichever_came_first(small):
    """14 days apart still count, and one of several purchases near enough is enough; 15 days do not count."""
    assert pairs(small, "co_purchase", "order").keys() == {("order-a", "order-b"), ("order-b", "order-a")}
    beside = {other for _, other in pairs(small, "co_purchase", "again-a")}
    assert beside == {"again-b", "far-a"}
    assert ("far-a", "far-b") not in found(small, "co_purchase")


def test_lift_is_how_many_times_more_than_by_chance_and_damped(small):
    """Two users of four buy both: twice as many as by chance, and half of it is left with a shrinkage of two users."""
    assert found(small, "co_purchase")["order-a", "order-b"] == (1.0, 2)


def test_what_was_not_bought_in_the_window_ties_nothing(small):
    """Neither carts, nor purchases of 90 days ago."""
    assert not pairs(small, "co_purchase", "carted")
    assert not pairs(small, "co_purchase", "old")


def test_of_much_that_a_user_bought_the_newest_items_count(small):
    """The first 3 of 15 have no neighbour where 12 count."""
    assert {item for item, _ in pairs(small, "co_purchase", "much")} == {
        f"much-{number:02d}" for number in range(3, 15)
    }


def test_users_of_few_wants_count_more(small):
    """Two that are tied by as many users, but who want little else, are nearer."""
    made = found(small, "bm25")
    assert made["pair-a", "pair-b"] > made["crowd-a", "crowd-b"]
    assert made["pair-a", "pair-b"][1] == made["crowd-a", "crowd-b"][1] == 2


def test_of_many_wants_the_newest_count(small):
    """The first of six items has no neighbour where five count."""
    assert {item for item, _ in pairs(small, "bm25", "over")} == {f"over-{place}" for place in range(1, 6)}


def test_what_has_faded_wholly_counts_for_nothing(small):
    """With a half-life of a thousandth of a day, what was wanted the day before ties nothing."""
    assert not pairs(small, "bm25", "old-a")
    assert not pairs(small, "bm25", "new-a")


def test_of_equal_neighbours_the_first_ids_are_kept(small):
    """Where all of five are equally near and two are kept, the cut is by id."""
    made = pairs(small, "bm25", "tie")
    beside = {item: {other for of, other in made if of == item} for item, _ in made}
    assert beside["tie-0"] == {"tie-1", "tie-2"}
    assert beside["tie-1"] == {"tie-0", "tie-2"}
    assert beside["tie-4"] == {"tie-0", "tie-1"}


def favourites_of(settings: Settings, segment: str) -> dict[str, tuple[float, int]]:
    return {item: figures for (of, item), figures in found(settings, "segments").items() if of == segment}


def test_the_newest_state_up_to_the_night_tells_the_segment(small):
    """Not an older one, not one that was only told later, and not one of a later night; of one moment, as it was told
    last."""
    segments = {segment for segment, _ in found(small, "segments")}
    assert segments == {"young", "after", "settled", "right", "crowd"}
    assert favourites_of(small, "after").keys() == {"changed-1"}
    assert favourites_of(small, "settled").keys() == {"later-1"}


def test_a_segment_is_drawn_towards_everybody(small):
    """What its users want, halved by age, and of a prior of 4 the share that the item has of all that is wanted, also
    by users without a segment."""
    total = 0.5 + 0.5 + 1 + 1 + 1 + 5 + 5 + 1 + 3 + 1
    made = favourites_of(small, "young")
    assert made == {
        "young-1": (pytest.approx(0.5 + 4 * 0.5 / total, abs=1e-9), 1),
        "everyone": (pytest.approx(0.5 + 4 * 5.5 / total, abs=1e-9), 1),
    }


def test_users_without_a_segment_make_none(small):
    """Neither those whose newest state has none, nor those of whom nothing is told."""
    assert not {item for _, item in found(small, "segments")} & {"none-1", "none-2"}


def test_a_segment_keeps_its_best_items_of_equal_ones_the_first_ids(small):
    """Of five, the three newest and one of the two others."""
    assert set(favourites_of(small, "crowd")) == {"crowd-a", "crowd-b", "crowd-c", "crowd-d"}
