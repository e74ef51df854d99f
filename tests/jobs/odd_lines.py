"""Lines as deliveries hold them: good events, events with something wrong, and what is no event at all."""

from __future__ import annotations

import json

from hypothesis import strategies as st

from daybreak.datasets import EVENT_TYPES

GOOD = {"event_ts": "2026-11-19T12:00:00.123456Z", "user_id": "u1", "item_id": "i1", "event_type": "view"}

IDS = st.one_of(
    st.sampled_from([f"e{n}" for n in range(12)]),
    st.text(min_size=0, max_size=6).filter(lambda text: not any(0xD800 <= ord(c) < 0xE000 for c in text)),
    st.sampled_from([None, "", "x" * 256, "x" * 257, "ü" * 256, "y" * 10_000, " a", "a ", "a\n", "a\nb", "é\u00a0", 7]),
    st.sampled_from([["e1"], {"id": "e1"}, "[e1]", "{e1", True]),
)
MOMENTS = st.one_of(
    st.sampled_from(
        [f"2026-11-{day:02d}T{time}Z" for day in range(14, 24) for time in ("00:00:00", "23:59:59.999999")]
    ),
    st.sampled_from(
        [None, "", "1970-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "12:34:56", "2026-11-20", "noon", 17, []]
    ),
    st.sampled_from(
        ["2026-11-20T12:00:00", "2026-11-20T23:30:00-02:00", "2026-02-30T00:00:00Z", "0001-01-01T00:00:00Z"]
    ),
)
NUMBERS = st.one_of(
    st.integers(-3, 20_000),
    st.floats(-1, 2e9),
    st.sampled_from([None, "", "12", " 7 ", "7.5", "many", True, float("nan"), float("inf"), "NaN", 2**40, -0.0, [1]]),
)
ROWS = st.fixed_dictionaries(
    {},
    optional={
        "event_ts": MOMENTS,
        "user_id": IDS,
        "item_id": IDS,
        "event_type": st.sampled_from([*EVENT_TYPES, "zap", "View", None, 3]),
        "price": NUMBERS,
        "rating": NUMBERS,
        "position": NUMBERS,
        "dwell_s": NUMBERS,
        "device": st.sampled_from(["web", "fridge", None, ""]),
        "session_id": IDS,
        "more": st.integers(),
    },
)


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """A line: mostly a good event or one with one thing wrong, at times no event at all."""
    event_id = draw(IDS if draw(st.integers(0, 9)) == 0 else st.sampled_from([f"e{n}" for n in range(40)]))
    row = {"event_id": event_id, **GOOD}
    wrong = draw(ROWS)
    for name in draw(st.lists(st.sampled_from(sorted(wrong)), max_size=2)) if wrong else []:
        row[name] = wrong[name]
    text = json.dumps(row, ensure_ascii=draw(st.booleans()))
    kind = draw(st.integers(0, 14))
    if kind == 0:
        return draw(
            st.sampled_from([b"", b"  ", b"\t", b"null", b"[]", b"12", b"{}", b'"x"', b"\x00", b"{", b"\xff\xfe{"])
        )
    if kind == 1:
        return draw(
            st.sampled_from(
                [
                    text[: len(text) // 2],
                    f"[{text}]",
                    f"{text}{text}",
                    f"{text} x",
                    f"{text},",
                    f"{text}]",
                    text.replace('"', "'"),
                ]
            )
        ).encode()
    return text.encode("latin-1", "ignore") if kind == 2 else text.encode()
