from typing import Any, Final
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrollcast.errors import BadRequest
from scrollcast.playback.commands import Mode, SeekSeq, SeekTime
from scrollcast.stream.parameters import ReplayParameters, parse_bool, parse_int

NAMES: Final = (
    "mode",
    "speed",
    "idle",
    "start_ms",
    "start_seq",
    "epoch",
    "paused",
    "meta",
    "follow",
    "hold",
    "batch",
    "window",
    "preview",
)
BOOLEANS: Final = ("paused", "meta", "follow", "hold")
WHOLE_NUMBERS: Final = ("start_ms", "start_seq", "batch", "window", "preview")


def parse(query: str) -> ReplayParameters:
    """The parameters in a URL's query, as the server reads them."""
    return ReplayParameters.parse(parse_qsl(query, keep_blank_values=True))


@pytest.mark.parametrize("query", ["", "colour=blue&_x=1&Mode=realtime&SPEED=0", "=5&&"])
def test_the_defaults(query: str) -> None:
    """Every parameter may be left out, and an unknown one, of another case too, is ignored."""
    assert parse(query) == ReplayParameters(
        mode=Mode.FAST,
        speed=1.0,
        idle=None,
        start=SeekSeq(0),
        epoch=None,
        paused=False,
        meta=False,
        follow=False,
        hold=False,
        batch=0,
        window=None,
        preview=None,
    )


@pytest.mark.parametrize(
    ("query", "name", "value"),
    [
        ("mode=fast", "mode", Mode.FAST),
        ("mode=realtime", "mode", Mode.REALTIME),
        ("speed=0.1", "speed", 0.1),
        ("speed=.5", "speed", 0.5),
        ("speed=1", "speed", 1.0),
        ("speed=2.", "speed", 2.0),
        ("speed=2.50", "speed", 2.5),
        ("speed=1e1", "speed", 10.0),
        ("speed=100", "speed", 100.0),
        ("speed=100.0", "speed", 100.0),
        ("idle=off", "idle", None),
        ("idle=0.001", "idle", 0.001),
        ("idle=1e-3", "idle", 0.001),
        ("idle=2", "idle", 2.0),
        ("idle=86400", "idle", 86_400.0),
        ("start_ms=0", "start", SeekTime(0)),
        ("start_ms=60000", "start", SeekTime(60_000)),
        ("start_ms=007", "start", SeekTime(7)),
        (f"start_ms={2**53 - 1}", "start", SeekTime(2**53 - 1)),
        ("start_seq=0", "start", SeekSeq(0)),
        ("start_seq=812", "start", SeekSeq(812)),
        (f"start_seq={2**53 - 1}", "start", SeekSeq(2**53 - 1)),
        ("epoch=abc", "epoch", "abc"),
        ("epoch=%20a%26b", "epoch", " a&b"),
        ("batch=0", "batch", 0),
        ("batch=1", "batch", 1),
        ("batch=1048576", "batch", 1_048_576),
        ("window=1", "window", 1),
        ("window=1000000", "window", 1_000_000),
        ("preview=1024", "preview", 1024),
        ("preview=99999999", "preview", 99_999_999),
        *((f"{name}={text}", name, True) for name in BOOLEANS for text in ("true", "1")),
        *((f"{name}={text}", name, False) for name in BOOLEANS for text in ("false", "0")),
    ],
)
def test_a_good_value(query: str, name: str, value: object) -> None:
    """Each value in its bounds is taken, the bounds too, and touches nothing else."""
    parameters = parse(query)
    others = [other for other in ReplayParameters.__slots__ if other != name]

    assert getattr(parameters, name) == value
    assert type(getattr(parameters, name)) is type(value)
    assert [getattr(parameters, other) for other in others] == [getattr(ReplayParameters(), other) for other in others]


# Texts that Python would take for a number, and no other reader should.
ODD_NUMBERS: Final = (
    "",
    " ",
    "+5",
    "%2B5",
    "%205",
    "5%20",
    "5%0A",
    "1_0",
    "0x5",
    "٥",
    "５",
    "²",
    "nan",
    "inf",
    "-0",
    "x",
)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("mode", text) for text in ("", "slow", "FAST", "Fast", " fast", "fast%20", "realtime,fast", "0")),
        *(("speed", text) for text in ODD_NUMBERS),
        *(
            ("speed", text)
            for text in ("0", "0.0", "0.09", "-1", "100.01", "1e3", "1e999", "1,5", "2x", "off", "1e", ".")
        ),
        *(("idle", text) for text in ODD_NUMBERS),
        *(("idle", text) for text in ("0", "0.0", "-1", "1e999", "-inf", "Off", "none", "null", "1e-999", "1s")),
        *((name, text) for name in BOOLEANS for text in ("", "True", "FALSE", "yes", "on", "2", "%201", "１", "null")),
        *((name, text) for name in WHOLE_NUMBERS for text in ODD_NUMBERS),
        *(
            (name, text)
            for name in WHOLE_NUMBERS
            for text in ("-1", "1e3", "1024.0", "1.5", "9007199254740992", "9" * 5000)
        ),
        ("batch", "1048577"),
        ("window", "0"),
        ("preview", "0"),
        ("preview", "1023"),
    ],
)
def test_a_bad_value(name: str, text: str) -> None:
    """Anything else is refused in a sentence that names the parameter."""
    with pytest.raises(BadRequest) as caught:
        parse(f"paused=true&{name}={text}&zebra=1")
    assert caught.value.parameter == name
    assert str(caught.value).startswith(f"{name}: ")
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("mode", "slow", "mode: must be fast, realtime or reading"),
        ("hold", "yes", "hold: must be true, false, 1 or 0"),
        ("start_seq", "x", "start_seq: must be a whole number from 0 on"),
        ("window", "0", "window: must be a whole number from 1 on"),
        ("batch", "x", "batch: must be a whole number from 0 to 1048576"),
        ("preview", "9", "preview: must be a whole number from 1024 on"),
    ],
)
def test_the_sentence_says_what_would_be_right(name: str, text: str, sentence: str) -> None:
    """Who reads the refusal knows what to send instead."""
    with pytest.raises(BadRequest) as caught:
        parse(f"{name}={text}")
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("query", "name", "value"),
    [
        ("speed=2&speed=4", "speed", 4.0),
        ("speed=junk&speed=4", "speed", 4.0),
        ("mode=realtime&batch=5&mode=fast", "mode", Mode.FAST),
        ("start_seq=1&start_seq=2&start_seq=3", "start", SeekSeq(3)),
        ("idle=5&idle=off", "idle", None),
        ("epoch=a&epoch=", "epoch", ""),
    ],
)
def test_the_last_of_a_repeated_one_counts(query: str, name: str, value: object) -> None:
    """What was said before of the same parameter is not even looked at."""
    assert getattr(parse(query), name) == value


def test_a_bad_last_one_counts_too() -> None:
    """A good value does not stand in for a bad one after it."""
    with pytest.raises(BadRequest, match=r"^speed: "):
        parse("speed=2&speed=junk")


@pytest.mark.parametrize("query", ["start_ms=5&start_seq=5", "start_seq=0&start_ms=0", "start_seq=5&start_ms=junk"])
def test_one_start_only(query: str) -> None:
    """A start by time and one by number do not go together."""
    with pytest.raises(BadRequest) as caught:
        parse(query)
    assert str(caught.value) == "start_seq: cannot stand together with start_ms"


@pytest.mark.parametrize(
    ("query", "resumes"),
    [
        ("", False),
        ("start_seq=5", False),
        ("start_ms=5&epoch=e", False),
        ("start_seq=5&epoch=e", True),
        ("start_seq=0&epoch=e", True),
    ],
)
def test_who_comes_back(query: str, resumes: bool) -> None:
    """A resume names the next event and the epoch that its number belongs to."""
    assert parse(query).resumes is resumes


def test_everything_at_once() -> None:
    """All parameters together are each taken."""
    query = (
        "mode=realtime&speed=2.5&idle=7&start_seq=12&epoch=e1&paused=1&meta=true&follow=1&hold=true"
        "&batch=65536&window=100&preview=2048"
    )

    assert parse(query) == ReplayParameters(
        Mode.REALTIME, 2.5, 7.0, SeekSeq(12), "e1", True, True, True, True, 65_536, 100, 2048
    )


@given(query=st.lists(st.tuples(st.sampled_from((*NAMES, "x")), st.text(max_size=12) | st.floats().map(str))))
def test_a_query_is_taken_or_refused(query: list[tuple[str, str]]) -> None:
    """Any texts whatever are parameters within their bounds, or a refusal that names one of those given."""
    refused: str | None = None
    parameters = ReplayParameters()
    try:
        parameters = ReplayParameters.parse(query)
    except BadRequest as problem:
        refused = problem.parameter

    assert refused is None or refused in dict(query)
    assert 0.1 <= parameters.speed <= 100
    assert parameters.idle is None or 0 < parameters.idle < float("inf")


# -------------------------------------------------------------------------------------- as the routes use them too


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("500", 500), ("0500", 500)])
def test_whole_numbers_within_bounds(text: str, number: int) -> None:
    """Both bounds are included."""
    assert parse_int(text, 1, 500) == number


@pytest.mark.parametrize("text", ["0", "501", "", "-1", "5.0", "５"])
def test_whole_numbers_out_of_bounds(text: str) -> None:
    """The sentence gives the bounds."""
    with pytest.raises(ValueError, match=r"^must be a whole number from 1 to 500$"):
        parse_int(text, 1, 500)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("false", False), ("0", False)])
def test_booleans(text: str, value: Any) -> None:
    """There are four words for yes and no."""
    assert parse_bool(text) is value
