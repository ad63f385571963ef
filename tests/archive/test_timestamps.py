import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scrollcast.archive.timestamps import format_instant, parse_instant, read_time, to_rfc3339

RFC_3339 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})")

MOMENT = 1_772_442_000_000_000
"""2026-03-02T09:00:00Z in microseconds."""


@pytest.mark.parametrize(
    ("value", "instant"),
    [
        ("2026-03-02T09:00:00Z", MOMENT),
        ("2026-03-02T09:00:00.123Z", MOMENT + 123_000),
        ("2026-03-02t09:00:00z", MOMENT),
        ("2026-03-02 09:00:00+00:00", MOMENT),
        ("2026-03-02T05:00:00.123456-04:00", MOMENT + 123_456),
        ("2026-03-02T14:30:00.123456789+05:30", MOMENT + 123_456),
        ("2026-03-02T09:00:00", MOMENT),
        ("2026-03-02T09:00:00.5", MOMENT + 500_000),
        ("20260302T090000Z", MOMENT),
        ("2026-03-02", MOMENT - 9 * 3_600_000_000),
        (1_772_442_000, MOMENT),
        (1_772_442_000.25, MOMENT + 250_000),
        (1_772_442_000_123, MOMENT + 123_000),
        (99_999_999_999, 99_999_999_999_000_000),
        (100_000_000_000, 100_000_000_000_000),
        ("1969-12-31T23:59:59Z", -1_000_000),
    ],
)
def test_forms_of_a_timestamp(value: object, instant: int) -> None:
    """ISO 8601 with and without zone and fraction, and seconds and milliseconds since 1970, are all one instant."""
    assert parse_instant(value) == instant


@pytest.mark.parametrize(
    "value",
    [
        None, True, False, [], {}, b"2026-03-02T09:00:00Z",
        "", " ", "yesterday", "[trimmed for fixture]", "2026-13-02T09:00:00Z", "2026-03-02T25:00:00Z", "1772442000",
        "Monday, March 2, 2026, 9:00 AM", "\ud83d", "٢٠٢٦-٠٣-٠٢T09:00:00Z",
        "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00+14:00",
        0, -1, 253_402_300_799_001, float("nan"), float("inf"), float("-inf"), 1e300, 10**400, -(10**400),
    ],
)  # fmt: skip
def test_what_is_no_time_is_none(value: object) -> None:
    """A value that tells no time, or one outside the years 1 to 9999, is missing, not an error."""
    assert parse_instant(value) is None


def test_microseconds_are_kept() -> None:
    """An instant is exact to the microsecond, so that durations do not drift by rounding."""
    assert parse_instant("2026-03-02T09:00:00.000001Z") == MOMENT + 1


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("2026-03-02T09:00:00Z", "2026-03-02T09:00:00Z"),
        ("2026-03-02T09:00:00.123456789Z", "2026-03-02T09:00:00.123456789Z"),
        ("2026-03-02T05:00:00-04:00", "2026-03-02T05:00:00-04:00"),
        ("2026-03-02 09:00:00+00:00", "2026-03-02 09:00:00+00:00"),
        ("2026-03-02T09:00:00", "2026-03-02T09:00:00.000Z"),
        ("2026-03-02T09:00Z", "2026-03-02T09:00:00.000Z"),
        ("2026-03-02T05:00:00-0400", "2026-03-02T09:00:00.000Z"),
        ("2026-03-02T05:00:00.5-0400", "2026-03-02T09:00:00.500Z"),
        ("2026-03-02T09:00:00,5Z", "2026-03-02T09:00:00.500Z"),
        ("20260302T090000.000000Z", "2026-03-02T09:00:00.000Z"),
        ("2026-03-02T09:00:00+01:02:03", "2026-03-02T07:57:57.000Z"),
        ("2026-W10-1T09:00:00.000Z", "2026-03-02T09:00:00.000Z"),
        ("yesterday", None),
    ],
)
def test_rfc3339_is_kept_as_it_was(text: str, kept: str | None) -> None:
    """Text that is RFC 3339 stays as the archive has it; another form of ISO 8601 becomes it."""
    instant = parse_instant(text)

    assert (None if instant is None else to_rfc3339(text, instant)) == kept


@given(instant=st.datetimes(timezones=st.just(UTC)))
def test_formatted_instant_is_the_same_to_the_millisecond(instant: datetime) -> None:
    """What is formatted is RFC 3339 and parses to the same millisecond."""
    parsed = parse_instant(instant.isoformat())
    assert parsed is not None
    text = format_instant(parsed)

    assert RFC_3339.fullmatch(text)
    assert parse_instant(text) == parsed // 1000 * 1000


USUAL = "2026-10-12T09:00:00.123Z"

ANYTHING: st.SearchStrategy[Any] = (
    st.text()
    | st.integers()
    | st.floats()
    | st.datetimes().map(str)
    | st.builds(
        "{}-{}-{}{}{}:{}:{}{}{}".format,
        st.integers(1, 9999).map("{:04}".format), *[st.integers(0, 32).map("{:02}".format)] * 2,
        st.sampled_from("Tt _"), *[st.integers(0, 60).map("{:02}".format)] * 3,
        st.sampled_from(["", ".", ".5", ",5", ".123456", ".1234567890"]),
        st.sampled_from(["", "Z", "z", "+00:00", "-14:00", "+14:00", "+0100", "+01", "+01:02:03", "-00:00:00.000001"]),
    )
)  # fmt: skip


@given(value=ANYTHING)
@example(value="0001-01-01T00:00+14:00")
def test_nothing_raises(value: Any) -> None:
    """Any value is a time that can be formatted, or none; and `created_at` is always RFC 3339."""
    instant = parse_instant(value)
    text = None if instant is None else to_rfc3339(value, instant)

    assert instant is None or RFC_3339.fullmatch(format_instant(instant))
    assert text is None or RFC_3339.fullmatch(text)
    assert not isinstance(value, str) or (text is None) == (instant is None)


@given(value=ANYTHING | st.builds(
    lambda place, sign: USUAL[:place] + sign + USUAL[place + 1 :],
    st.integers(0, 23), st.sampled_from("0159WTtZz:.,-+ _x\u0665"),
))  # fmt: skip
@example(value="2026-W10-1T09:00:00.000Z")
@example(value=USUAL)
def test_time_and_text_at_once(value: Any) -> None:
    """Both are what they are by themselves, the more so of a text that has nearly the usual form."""
    instant = parse_instant(value)

    assert read_time(value) == (None if instant is None else (instant, to_rfc3339(value, instant)))
