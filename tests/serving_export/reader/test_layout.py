"""Keys of any length fit, and no key is taken for another."""

from __future__ import annotations

from serving_export.reader import layout


def test_a_long_key_is_stored_short_and_its_value_tells_whose_it_is() -> None:
    """Were two long keys to share a hash, the value of one would not be served for the other."""
    key, other = layout.full_key("for_you", "é" * 256), layout.full_key("for_you", "è" * 256)
    assert len(key) > layout.LONGEST_KEY >= len(layout.stored_key(key))
    stored = layout.stored_value(key, b"[]")
    assert layout.body_of(key, stored) == b"[]"
    assert layout.body_of(other, stored) is None


def test_a_whole_key_is_told_by_what_is_stored() -> None:
    """Short or long: who goes through a file finds the ids that lists were written for."""
    for name in ("", "u1", "é" * 256):
        key = layout.full_key("for_you", name)
        stored, value = layout.stored_key(key), layout.stored_value(key, b"[]")
        assert layout.full_key_of(stored, value) == key


def test_the_longest_key_that_fits_is_stored_as_it_is() -> None:
    """At the limit nothing is hashed; one byte more and it is."""
    name = "x" * (layout.LONGEST_KEY - len(layout.full_key("for_you", "")))
    fits, too_long = layout.full_key("for_you", name), layout.full_key("for_you", name + "x")
    assert (layout.stored_key(fits), layout.stored_value(fits, b"[]")) == (fits, b"[]")
    assert layout.stored_key(too_long) != too_long
