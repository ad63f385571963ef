"""Writes the sessions that a newcomer watches first: `archive_fixtures/demo/`.

    python archive_fixtures/make_demo.py

Each story is a list of beats. A beat's first number is how many seconds pass before it; everything else is what is
said or done then. Ids come from the stories' own fixed ones, so that a second run writes the same bytes, as long as
`zlib` packs the picture in the same way.
"""

from __future__ import annotations

import base64
import json
import math
import re
import struct
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any, TypeAlias
from uuid import UUID, uuid5

DEMO = Path(__file__).parent / "demo"
MODEL = "lumen-2"

# --------------------------------------------------------------------------------------------------- the beats

Part: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Beat:
    """One message of a story, `wait` seconds after what came before it."""

    wait: float
    role: str
    parts: Sequence[Part]
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Meta:
    """Something that happens beside the messages, `wait` seconds after what came before it."""

    wait: float
    kind: str
    payload: dict[str, Any]


Story: TypeAlias = Sequence["Beat | Meta | Sequence[Beat | Meta]"]


def md(text: str) -> Part:
    """A text part: Markdown, with the indentation that it has here taken off."""
    return {"type": "text", "text": unwrapped(dedent(text).strip("\n"))}


def unwrapped(text: str) -> str:
    """Markdown with every paragraph on one line, since some viewers keep line breaks."""
    lines: list[str] = []
    fenced = False
    for line in text.splitlines():
        words = line.strip()
        joins = words and not fenced and not re.match(r"\||- |\d\. |#|```|>", words)
        if joins and lines and lines[-1] and not re.match(r"\||#|```", lines[-1].strip()):
            lines[-1] += f" {words}"
        elif words.startswith(">") and lines and lines[-1].startswith(">"):
            lines[-1] += words[1:]
        else:
            lines.append(line)
        fenced ^= words.startswith("```")
    return "\n".join(lines)


def user(wait: float, text: str, *more: Part) -> Beat:
    """The person says something."""
    return Beat(wait, "user", [md(text), *more])


def think(wait: float, text: str) -> Beat:
    """The agent thinks."""
    return Beat(wait, "assistant", [{"type": "thinking", "text": " ".join(text.split())}])


def say(wait: float, text: str, *more: Part) -> Beat:
    """The agent says something, and may do something with the same breath."""
    return Beat(wait, "assistant", [md(text), *more])


def plan(wait: float, done: int, *steps: str) -> Beat:
    """The agent's list of steps: so many are done, the next one is under way."""
    statuses = ["completed"] * done + ["in_progress"] + ["pending"] * len(steps)
    entries = [
        {"content": step, "status": status, "priority": "high" if place < 2 else "medium"}
        for place, (step, status) in enumerate(zip(steps, statuses, strict=False))
    ]
    return Beat(wait, "assistant", [{"type": "plan", "entries": entries}])


KINDS = {
    "Bash": "execute", "Edit": "edit", "Glob": "search", "Grep": "search", "Read": "read", "Task": "other",
    "WebFetch": "fetch", "Write": "edit",
}  # fmt: skip


def call(number: int, name: str, title: str, **arguments: Any) -> Part:
    """A tool call; its result bears the same number."""
    kind = KINDS[name]
    return {"type": "tool_call", "call_id": f"call_{number:02}", "name": name, "kind": kind, "title": title,
            "input": arguments}  # fmt: skip


def do(wait: float, *calls: Part) -> Beat:
    """The agent calls tools without a word."""
    return Beat(wait, "assistant", calls)


def result(wait: float, number: int, output: str, *, is_error: bool = False) -> Beat:
    """What the tool call of that number gave back."""
    text = {"type": "text", "text": paint(output)}
    part = {"type": "tool_result", "call_id": f"call_{number:02}", "output": [text], "is_error": is_error}
    return Beat(wait, "tool", [part])


def aside(agent_id: str, *beats: Beat) -> list[Beat]:
    """What a subagent does while the agent waits for it."""
    mark = {"sidechain": True, "agent_id": agent_id}
    return [Beat(beat.wait, beat.role, beat.parts, mark) for beat in beats]


PAINTS = {"[red]": "31", "[green]": "32", "[yellow]": "33", "[blue]": "34", "[cyan]": "36", "[bold]": "1", "[/]": "0"}


def paint(text: str) -> str:
    """A tool's output with the colours of a terminal, written `[red]…[/]` here."""
    for tag, code in PAINTS.items():
        text = text.replace(tag, f"\x1b[{code}m")
    return text.strip("\n")


def numbered(text: str, first: int = 1) -> str:
    """A file as the reading tool shows it: number, tab, line."""
    return "\n".join(f"{number:6}\t{line}" for number, line in enumerate(text.splitlines(), first))


def shell(number: int, command: str, description: str) -> Part:
    """A call of the shell."""
    return call(number, "Bash", command.splitlines()[0], command=command, description=description)


def read(number: int, path: str) -> Part:
    """A call that reads a file of the lighthouse's project."""
    return call(number, "Read", path, file_path=f"{HOME}/{path}")


def edit(number: int, path: str, old: str, new: str) -> Part:
    """A call that changes a file of the lighthouse's project."""
    return call(number, "Edit", path, file_path=f"{HOME}/{path}", old_string=old, new_string=new)


def write(number: int, path: str, content: str) -> Part:
    """A call that writes a file of the lighthouse's project."""
    return call(number, "Write", path, file_path=f"{HOME}/{path}", content=content)


# ------------------------------------------------------------------------------- the lighthouse: files of its project

HOME = "/home/keeper/beamkeeper"

LOGBOOK = """\
18:00   in step with the harbour clock
19:00   late, 7 s
20:00   late, 14 s      (tea)
21:00   late, 22 s      (no more tea)
"""

LAMP = '''\
"""The lamp on the pier: a relay that clicks."""

import time

RELAY_SETTLES = 0.004  # seconds, from its data sheet


class Lamp:
    def __init__(self, pin) -> None:
        self.pin = pin

    def set(self, lit: bool) -> None:
        self.pin.value = lit
        time.sleep(RELAY_SETTLES)
'''

LOOP_BY_SLEEPING = """\
        for _ in range(cycles):
            for step in self.character.steps:
                self.lamp.set(step.lit)
                self.clock.sleep(step.seconds)
"""

LOOP_BY_DEADLINES = """\
        due = self.clock.time()
        for _ in range(cycles):
            for step in self.character.steps:
                self.lamp.set(step.lit)
                due += step.seconds
                self.clock.sleep(max(0.0, due - self.clock.time()))
"""

DUE = """\
                due += step.seconds
"""

DUE_OR_SKIPPED = """\
                due += step.seconds
                missed = (self.clock.time() - due) // self.character.period
                due += max(0.0, missed) * self.character.period
"""

LOOP_BY_THE_CLOCK = """\
        start = self.clock.time()
        lit: bool | None = None
        while (elapsed := self.clock.time() - start) < cycles * self.character.period:
            wanted, until = self.character.at(elapsed)
            if wanted != lit:
                self.lamp.set(wanted)
                lit = wanted
            self.clock.sleep(max(0.0, start + until - self.clock.time()))
"""

KEEPER = (
    '''\
"""The keeper: walks through a character and works the lamp."""

from beamkeeper.character import Character
from beamkeeper.clock import Clock
from beamkeeper.lamp import Lamp


class Keeper:
    def __init__(self, character: Character, lamp: Lamp, clock: Clock) -> None:
        self.character = character
        self.lamp = lamp
        self.clock = clock

    def run(self, cycles: int) -> None:
'''
    + LOOP_BY_SLEEPING
)

PERIOD = """\
    def period(self) -> float:
        return sum(step.seconds for step in self.steps)
"""

AT = (
    PERIOD
    + '''
    def at(self, elapsed: float) -> tuple[bool, float]:
        """Whether the lamp is lit at that moment, and when that changes next."""
        change = elapsed - elapsed % self.period
        for step in self.steps:
            change += step.seconds
            if elapsed < change:
                break
        return step.lit, change
'''
)

TOY_CLOCK = """\
        self.now = 0.0

    def time(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
"""

DOZING_CLOCK = '''\
        self.now = 0.0
        self.nap = None

    def doze(self, at, seconds):
        """Oversleep once, like a board that saves power."""
        self.nap = (at, seconds)

    def time(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        if self.nap and self.now >= self.nap[0]:
            self.now += self.nap[1]
            self.nap = None
'''

CONFTEST = (
    """\
import pytest


class ToyClock:
    def __init__(self):
"""
    + TOY_CLOCK
    + '''

class SlowLamp:
    """A lamp with a relay that takes 4 ms to click, like the one on the pier."""

    def __init__(self, clock):
        self.clock = clock
        self.flashes = []

    def set(self, lit):
        if lit:
            self.flashes.append(self.clock.now)
        self.clock.now += 0.004


@pytest.fixture
def clock():
    return ToyClock()


@pytest.fixture
def lamp(clock):
    return SlowLamp(clock)
'''
)

TEST_IMPORTS = """\
from beamkeeper.character import parse
"""

TEST_GROUP = """\
    Keeper(parse("Fl(3) 12s"), lamp, clock).run(cycles=2)
    assert len(lamp.flashes) == 6
"""

TEST_KEEPER = (
    TEST_IMPORTS
    + """\
from beamkeeper.keeper import Keeper


def test_three_flashes_a_cycle(clock, lamp):
"""
    + TEST_GROUP
)

TEST_HOUR = """\
    last_group = lamp.flashes[-3]
    assert abs(last_group - 299 * 12) < 0.05
"""

TEST_GROUP_AND_HOUR = (
    TEST_GROUP
    + """

def test_an_hour_stays_on_time(clock, lamp):
    Keeper(parse("Fl(3) 12s"), lamp, clock).run(cycles=300)
"""
    + TEST_HOUR
)

TEST_HOUR_AND_NAP = (
    TEST_HOUR
    + """

def test_no_disco_after_a_nap(clock, lamp):
    clock.doze(at=30, seconds=67)
    Keeper(parse("Fl(3) 12s"), lamp, clock).run(cycles=12)
    gaps = [after - before for before, after in pairwise(lamp.flashes)]
    assert min(gaps) > 1.9
"""
)

SHOW_FLASHES = """\
python - <<'END'
from tests.conftest import SlowLamp, ToyClock
from beamkeeper.character import parse
from beamkeeper.keeper import Keeper

clock = ToyClock()
lamp = SlowLamp(clock)
clock.doze(at=30, seconds=67)
Keeper(parse("Fl(3) 12s"), lamp, clock).run(cycles=12)
for at in lamp.flashes:
    if 24 <= at < 115:
        print(f"{at:8.3f}", "*" if at % 12 in (0, 2, 4) else "* !")
END"""

FOGHORN = '''\
"""The foghorn: a blast of two seconds in every thirty."""

from beamkeeper.clock import Clock


class Foghorn:
    def __init__(self, horn, clock: Clock) -> None:
        self.horn = horn
        self.clock = clock

    def run(self, blasts: int) -> None:
        for _ in range(blasts):
            self.horn.set(True)
            self.clock.sleep(2)
            self.horn.set(False)
            self.clock.sleep(28)
'''

FOGHORN_BY_THE_CLOCK = '''\
"""The foghorn: a blast of two seconds in every thirty."""

from beamkeeper.character import Character, Step
from beamkeeper.keeper import Keeper

BLAST = Character((Step(True, 2), Step(False, 28)))


class Foghorn(Keeper):
    def __init__(self, horn, clock) -> None:
        super().__init__(BLAST, horn, clock)
'''

TEST_FOGHORN = """\
from beamkeeper.foghorn import Foghorn


def test_an_hour_of_fog_stays_on_time(clock, lamp):
    Foghorn(lamp, clock).run(120)
    assert len(lamp.flashes) == 120
    assert abs(lamp.flashes[-1] - 119 * 30) < 0.05
"""

# --------------------------------------------------------------------------------- the lighthouse: what was said

FIRST_STEPS = (
    "Catch the drift in a test",
    "Keep time by deadlines, not by naps",
    "Check the rules for `Fl(3)` in the almanac",
    "Watch it on the pier for twenty minutes",
)
NEXT_STEPS = (
    "Stay in step with the harbour clock",
    "Teach the toy clock to doze off",
    "Wake up without a disco",
    "Look for the same habit elsewhere",
    "Commit, and tell the ferry",
)

OPTIONS = [
    {"option_id": "once", "name": "Allow once", "kind": "allow_once"},
    {"option_id": "always", "name": "Always allow", "kind": "allow_always"},
    {"option_id": "no", "name": "No, and tell me why", "kind": "reject_once"},
]

HOUR_FAILS = """
[green].......[/][red]F[/]                                                                 [red][100%][/]
=================================== FAILURES ===================================
[red][bold]__________________________ test_an_hour_stays_on_time __________________________[/]

clock = <conftest.ToyClock object at 0x7f31c8a0d310>
lamp = <conftest.SlowLamp object at 0x7f31c8a0c950>

    [blue]def[/] [green]test_an_hour_stays_on_time[/](clock, lamp):
        Keeper(parse([yellow]"Fl(3) 12s"[/]), lamp, clock).run(cycles=[blue]300[/])
        last_group = lamp.flashes[-[blue]3[/]]
>       [blue]assert[/] [cyan]abs[/](last_group - [blue]299[/] * [blue]12[/]) < [blue]0.05[/]
[bold][red]E       assert 7.175999999885789 < 0.05[/]
[bold][red]E        +  where 7.175999999885789 = abs((3595.175999999886 - (299 * 12)))[/]

[bold][red]tests/test_keeper.py[/]:13: AssertionError
[cyan][bold]=========================== short test summary info ============================[/]
[red]FAILED[/] tests/test_keeper.py::[bold]test_an_hour_stays_on_time[/] - assert 7.1759999998...
[red][bold]1 failed[/], [green]7 passed[/][red] in 0.71s[/]
"""

NAP_FAILS = """
[green]........[/][red]F[/]                                                                [red][100%][/]
=================================== FAILURES ===================================
[red][bold]__________________________ test_no_disco_after_a_nap ___________________________[/]

clock = <conftest.ToyClock object at 0x7f31c8a0d310>
lamp = <conftest.SlowLamp object at 0x7f31c8a0c950>

    [blue]def[/] [green]test_no_disco_after_a_nap[/](clock, lamp):
        clock.doze(at=[blue]30[/], seconds=[blue]67[/])
        Keeper(parse([yellow]"Fl(3) 12s"[/]), lamp, clock).run(cycles=[blue]12[/])
        gaps = [after - before [blue]for[/] before, after [blue]in[/] pairwise(lamp.flashes)]
>       [blue]assert[/] [cyan]min[/](gaps) > [blue]1.9[/]
[bold][red]E       assert 0.008000000000009777 > 1.9[/]
[bold][red]E        +  where 0.008000000000009777 = min([2.0, 2.0, 8.0, 2.0, 2.0, 8.0, ...])[/]

[bold][red]tests/test_keeper.py[/]:22: AssertionError
[cyan][bold]=========================== short test summary info ============================[/]
[red]FAILED[/] tests/test_keeper.py::[bold]test_no_disco_after_a_nap[/] - assert 0.00800000000...
[red][bold]1 failed[/], [green]8 passed[/][red] in {seconds}s[/]
"""

LIGHTHOUSE: Story = (
    user(
        0,
        """
        The model lighthouse on our pier shows `Fl(3) 12s`: three flashes, then dark, every twelve seconds. It starts
        each evening in step with the harbour clock and ends it far behind.

        I sat down beside it with a flask of tea and wrote down what I saw. Can you find out why, and **give the
        lighthouse a steady beam**?
        """,
        {"type": "resource", "uri": f"file://{HOME}/logbook.txt", "mime_type": "text/plain", "text": LOGBOOK},
    ),
    Meta(
        0.412,
        "available_commands_changed",
        {
            "commands": [
                {"name": "plan", "description": "Think first, touch nothing"},
                {"name": "test", "description": "Run the tests"},
                {"name": "commit", "description": "Commit what has changed"},
            ]
        },
    ),
    think(
        6.381,
        """
        Seven, fourteen, twenty-two. That is a straight line: about 7.2 seconds more with every hour. Nothing random,
        then. Something adds the same tiny delay again and again. Three hundred cycles an hour makes 24 milliseconds
        a cycle. Let me see how the keeper waits before I believe my own arithmetic.
        """,
    ),
    say(
        4.459,
        """
        What a good logbook. A fault that grows in a straight line is usually a *small* one, repeated often. Let me
        see how the keeper keeps time.
        """,
        call(1, "Glob", "**/*.py", pattern="**/*.py", path=HOME),
    ),
    result(
        0.387,
        1,
        """
beamkeeper/__init__.py
beamkeeper/character.py
beamkeeper/clock.py
beamkeeper/foghorn.py
beamkeeper/keeper.py
beamkeeper/lamp.py
scripts/card.py
tests/conftest.py
tests/test_character.py
tests/test_keeper.py
""",
    ),
    Meta(0.355, "session_info_changed", {"title": "Give the lighthouse a steady beam"}),
    do(1.950, read(2, "beamkeeper/keeper.py"), read(3, "beamkeeper/lamp.py")),
    result(0.289, 2, numbered(KEEPER)),
    result(0.130, 3, numbered(LAMP)),
    think(
        9.718,
        """
        There it is. `set` takes four milliseconds, because the relay has to settle, and only then does `run` sleep
        the whole length of the step. Six steps a cycle, four milliseconds each: 24. Exactly the number that I was
        looking for. Still a theory, though. A test should say it, not I.
        """,
    ),
    say(
        6.463,
        """
        I have a suspect. The keeper switches the lamp, which takes the relay **4 ms**, and *then* sleeps the full
        length of the step. Nobody ever pays those milliseconds back:

        |                         | each cycle | each hour |
        | ----------------------- | ---------: | --------: |
        | switching the lamp      |         6× |    1,800× |
        | time lost, at 4 ms each |      24 ms | **7.2 s** |
        | what your logbook says  |          – | **7 s**   |

        The arithmetic agrees with the tea. Now to prove it.
        """,
    ),
    plan(1.516, 0, *FIRST_STEPS),
    do(1.634, read(4, "tests/conftest.py"), read(5, "tests/test_keeper.py")),
    result(0.244, 4, numbered(CONFTEST)),
    result(0.104, 5, numbered(TEST_KEEPER)),
    say(
        8.871,
        """
        The tests already have a toy clock and a lamp with a slow relay, so an hour on the pier costs no time at all
        here. One hour is 300 cycles; the last one should begin at second 3,588.
        """,
        edit(6, "tests/test_keeper.py", TEST_GROUP, TEST_GROUP_AND_HOUR),
    ),
    result(0.421, 6, "Changed tests/test_keeper.py: 6 lines added."),
    do(2.219, shell(7, "python -m pytest -q", "Run the tests, expecting one to fail")),
    result(3.876, 7, HOUR_FAILS, is_error=True),
    say(
        5.504,
        """
        **7.176 seconds late** in the 300th cycle. Your logbook said 7. I have seldom been so pleased with a red test.
        """,
    ),
    plan(0.799, 1, *FIRST_STEPS),
    think(
        6.101,
        """
        The cure: decide when each step is due before it begins, and sleep only for what is left until then. A late
        lamp then eats into its own nap, not into everybody's evening. Mind that sleep() refuses negative numbers.
        """,
    ),
    say(
        4.020,
        "So the keeper should write down when each step is *due*, and sleep only for what is left until then.",
        edit(8, "beamkeeper/keeper.py", LOOP_BY_SLEEPING, LOOP_BY_DEADLINES),
    ),
    result(0.362, 8, "Changed beamkeeper/keeper.py: 4 lines became 6."),
    do(1.700, shell(9, "python -m pytest -q", "Run the tests again")),
    result(
        3.243,
        9,
        """
[green]........[/]                                                                 [green][100%][/]
[green][bold]8 passed[/][green] in 0.49s[/]
""",
    ),
    plan(1.232, 2, *FIRST_STEPS),
    say(
        3.517,
        "Green. Before it goes outside, a look into the almanac: what exactly are the twelve seconds counted from?",
        call(
            10,
            "WebFetch",
            "almanac.example/lights/characters",
            url="https://almanac.example/lights/characters",
            prompt="From where to where is the period of a group-flashing light counted?",
        ),
    ),
    Meta(
        0.146,
        "permission_requested",
        {"request_id": "perm_1", "call_id": "call_10", "title": "Fetch a page of almanac.example", "options": OPTIONS},
    ),
    Meta(3.917, "permission_granted", {"request_id": "perm_1", "call_id": "call_10", "option_id": "once"}),
    result(
        2.217,
        10,
        """
## Group-flashing lights, `Fl(n)`

The light shows its flashes in groups of *n*. The **period** runs from the first flash of one group to the first
flash of the next, darkness included. A light is called steady when that interval stays the same all night.
""",
    ),
    say(
        5.884,
        """
        From first flash to first flash, which is just what the test measures. It is ready for the pier:

        1. Copy `beamkeeper/` to the little board in the lamp room.
        2. Start it on the stroke of the harbour clock:

           ```sh
           python -m beamkeeper "Fl(3) 12s"
           ```
        3. Pour the tea. After an hour it used to be seven seconds late; now it should be on the dot.
        """,
    ),
    plan(1.063, 3, *FIRST_STEPS),
    user(14.626, "Boots on. I'll carry it over and watch it beside the harbour clock. Back in a while!"),
    say(4.735, "Take the flask. I'll keep a light on here. 🔦"),
    # The long silence: a walk along the pier.
    user(
        1511.206,
        """
        Back, and wet. The good news first: **twenty minutes in step with the harbour clock, to the blink.**

        Then the board dozed off to save power, for a minute or so. And when it woke up, the lighthouse went *disco*.
        The captain of the ferry radioed to ask whether we were all right.
        """,
    ),
    Meta(0.633, "mode_changed", {"from": "ask", "to": "accept_edits"}),
    think(
        8.180,
        """
        Of course. The new loop remembers when every step was due. After a minute's nap it owes five cycles and pays
        them all at once: every sleep is zero until it has caught up. That one is my own doing. First, a test that
        dozes off.
        """,
    ),
    say(
        5.202,
        """
        Oh dear, and that one is mine. The keeper now remembers when each step was due; after a nap it *owes* a minute
        of flashes and pays them all at once. My apologies to the ferry.

        Let me teach the toy clock to doze off, too.
        """,
    ),
    plan(0.973, 1, *NEXT_STEPS),
    do(
        5.315,
        edit(11, "tests/conftest.py", TOY_CLOCK, DOZING_CLOCK),
        edit(12, "tests/test_keeper.py", TEST_IMPORTS, "from itertools import pairwise\n\n" + TEST_IMPORTS),
        edit(13, "tests/test_keeper.py", TEST_HOUR, TEST_HOUR_AND_NAP),
    ),
    result(0.325, 11, "Changed tests/conftest.py: 8 lines added."),
    result(0.159, 12, "Changed tests/test_keeper.py: 2 lines added."),
    result(0.139, 13, "Changed tests/test_keeper.py: 7 lines added."),
    do(2.000, shell(14, "python -m pytest -q", "See whether the test goes disco as well")),
    result(3.964, 14, NAP_FAILS.replace("{seconds}", "0.75"), is_error=True),
    say(
        4.143,
        "There is your disco, eight milliseconds from flash to flash. I want to see it with my own eyes:",
        shell(15, SHOW_FLASHES, "List the flashes around the nap"),
    ),
    result(
        1.868,
        15,
        """
  24.000 *
  26.000 *
  28.000 *
"""
        + "".join(f" 103.{8 * flash:03} [yellow]* ![/]\n" for flash in range(18))
        + """\
 108.000 *
 110.000 *
 112.000 *
""",
    ),
    think(
        7.248,
        """
        Eighteen flashes within a seventh of a second. The small patch: when whole cycles were missed, skip them. Two
        lines. Let me try that before I rebuild anything.
        """,
    ),
    say(
        3.075,
        "**Eighteen flashes in a seventh of a second.** The small remedy first: skip what was slept through.",
        edit(16, "beamkeeper/keeper.py", DUE, DUE_OR_SKIPPED),
    ),
    result(0.309, 16, "Changed beamkeeper/keeper.py: 2 lines added."),
    do(1.555, shell(17, "python -m pytest -q", "Try the small remedy")),
    result(3.669, 17, NAP_FAILS.replace("{seconds}", "0.81"), is_error=True),
    say(
        6.394,
        """
        Better, not good. Eighteen have become three, for the part of a cycle that is left over. A smaller club, but
        the same music.
        """,
    ),
    think(
        12.841,
        """
        I keep repairing the keeper's memory: what was due, what was missed, what to forgive. But whether the lamp
        should be lit at this very moment depends on one thing only, the time that has passed since the start. No
        history at all. If the character can answer "lit or dark, and until when?" for any moment, then a nap, a slow
        relay and a late start are all the same case, and none of them needs a line of code.
        """,
    ),
    say(
        5.594,
        """
        I have been repairing the keeper's memory. But a lighthouse does not need a memory. **It needs a watch.** At
        any moment it can ask two things, am I lit, and until when, and the answer depends on nothing but the clock:
        """,
        {
            "type": "code",
            "language": "python",
            "text": "wanted, until = character.at(elapsed)   # (True, 12.5): lit, until second 12.5",
        },
    ),
    do(
        6.362,
        edit(18, "beamkeeper/character.py", PERIOD, AT),
        edit(19, "beamkeeper/keeper.py", LOOP_BY_DEADLINES.replace(DUE, DUE_OR_SKIPPED), LOOP_BY_THE_CLOCK),
    ),
    result(0.343, 18, "Changed beamkeeper/character.py: 9 lines added."),
    result(0.177, 19, "Changed beamkeeper/keeper.py: 8 lines replaced."),
    do(2.130, shell(20, "python -m pytest -q && mypy beamkeeper", "Run the tests and check the types")),
    result(
        6.025,
        20,
        """
[green].........[/]                                                                [green][100%][/]
[green][bold]9 passed[/][green] in 0.59s[/]
[green][bold]Success: no issues found in 6 source files[/]
""",
    ),
    say(
        4.808,
        """
        Steady *and* well rested:

        | after a nap of 67 s           | flashes on waking | back in step       |
        | ----------------------------- | ----------------: | ------------------ |
        | remember what was due         |      18 in 0.14 s | at once, in a panic |
        | skip the cycles slept through |       3 in 0.02 s | next group         |
        | **ask the clock**             |          **none** | **next group**     |

        One question before I call it done: who else here sleeps like that? I'll send somebody to look.
        """,
    ),
    plan(0.710, 3, *NEXT_STEPS),
    do(
        1.929,
        call(
            21,
            "Task",
            "Find other sleepers",
            description="Find other sleepers",
            prompt="Find every loop in beamkeeper/ that sleeps for a fixed length in place of until a given time. "
            "Change nothing. Report each with its file and line, and how far it drifts in an hour.",
            subagent_type="scout",
        ),
    ),
    aside(
        "scout-1",
        do(3.655, call(22, "Grep", "sleep(", pattern=r"sleep\(", path=f"{HOME}/beamkeeper", output_mode="content")),
        result(
            0.508,
            22,
            """
beamkeeper/clock.py:[green]10[/]:    def [red]sleep([/]self, seconds: float) -> None:
beamkeeper/clock.py:[green]11[/]:        time.[red]sleep([/]seconds)
beamkeeper/foghorn.py:[green]14[/]:            self.clock.[red]sleep([/]2)
beamkeeper/foghorn.py:[green]16[/]:            self.clock.[red]sleep([/]28)
beamkeeper/keeper.py:[green]22[/]:            self.clock.[red]sleep([/]max(0.0, start + until - self.clock.time()))
beamkeeper/lamp.py:[green]14[/]:        time.[red]sleep([/]RELAY_SETTLES)
""",
        ),
        do(3.365, read(23, "beamkeeper/foghorn.py")),
        result(0.261, 23, numbered(FOGHORN)),
        think(5.395, "Two switches every thirty seconds, four milliseconds each: 8 ms a blast, 120 blasts an hour."),
        say(
            5.117,
            "`beamkeeper/foghorn.py:14` and `:16` sleep for fixed lengths. Drift: 8 ms a blast, **0.96 s an hour**.",
        ),
    ),
    result(
        0.429,
        21,
        """
One found: the foghorn. `beamkeeper/foghorn.py`, lines 14 and 16, sleeps 2 s and 28 s without counting the time that
its relay takes. It loses 8 ms with each blast, **0.96 s in an hour**. The lamp's own 4 ms are meant, and the keeper
is cured.
""",
    ),
    say(
        6.261,
        """
        One more patient: the **foghorn** has the very same habit and loses almost a second an hour. Shall I treat it,
        too? It is not what you asked for, so I have left it alone.
        """,
    ),
    user(
        11.971,
        """
        Ha! I *knew* that the fog was late. Yes please, the same medicine.

        And could you draw the new beam as a card for the noticeboard? The children next door count the seconds.
        """,
    ),
    say(
        5.781,
        "With pleasure. A test for the horn first; it borrows the lamp's slow relay.",
        write(24, "tests/test_foghorn.py", TEST_FOGHORN),
    ),
    result(0.278, 24, "Wrote tests/test_foghorn.py: 7 lines."),
    do(1.812, shell(25, "python -m pytest -q --tb=line tests/test_foghorn.py", "Measure how late the fog is")),
    result(
        2.630,
        25,
        """
[red]F[/]                                                                        [red][100%][/]
=================================== FAILURES ===================================
[bold][red]E   assert 0.9519999999852189 < 0.05[/]
[bold][red]     +  where 0.9519999999852189 = abs((3570.951999999985 - (119 * 30)))[/]
/home/keeper/beamkeeper/tests/test_foghorn.py:7: assert 0.9519999999852189 < 0.05
[cyan][bold]=========================== short test summary info ============================[/]
[red]FAILED[/] tests/test_foghorn.py::[bold]test_an_hour_of_fog_stays_on_time[/] - assert 0.95...
[red][bold]1 failed[/][red] in 0.60s[/]
""",
        is_error=True,
    ),
    say(
        6.638,
        """
        Late by 0.952 s, so you have a good ear. And here is the part that I like best: a foghorn is a lighthouse for
        the ears. It can simply *be* a keeper, with a character of its own.
        """,
        write(26, "beamkeeper/foghorn.py", FOGHORN_BY_THE_CLOCK),
    ),
    result(0.328, 26, "Wrote beamkeeper/foghorn.py: 11 lines."),
    do(2.069, shell(27, "python -m pytest -q && mypy beamkeeper && ruff check", "Run every check")),
    result(
        6.577,
        27,
        """
[green]..........[/]                                                               [green][100%][/]
[green][bold]10 passed[/][green] in 0.77s[/]
[green][bold]Success: no issues found in 6 source files[/]
[green]All checks passed![/]
""",
    ),
    plan(1.145, 4, *NEXT_STEPS),
    do(
        2.249,
        shell(
            28,
            'python scripts/card.py "Fl(3) 12s" --after 1h --compare main --out docs/card.png',
            "Draw the card for the noticeboard",
        ),
    ),
    result(
        10.161,
        28,
        """
main         300 cycles   [red]7.2 s late[/]
steady-beam  300 cycles   [green]on time[/]
wrote docs/card.png (480 × 270)
""",
    ),
    say(
        4.592,
        "An hour into the evening, on the last cycle: the harbour clock, the old beam, and the new one.",
        {"type": "image", "mime_type": "image/png", "uri": f"file://{HOME}/docs/card.png", "data": "<the card>"},
    ),
    user(13.714, "Oh, that is lovely. It goes up on the noticeboard tonight. Commit it, please!"),
    do(
        4.431,
        shell(
            29,
            'git add -A && git commit -qm "Keep time by the clock, not by memory" && git show --stat --format="%h %s"',
            "Commit the steady beam",
        ),
    ),
    Meta(
        0.133,
        "permission_requested",
        {"request_id": "perm_2", "call_id": "call_29", "title": "Commit to steady-beam", "options": OPTIONS},
    ),
    Meta(2.208, "permission_granted", {"request_id": "perm_2", "call_id": "call_29", "option_id": "once"}),
    result(
        0.927,
        29,
        """
[yellow]4c139f7[/] Keep time by the clock, not by memory

 beamkeeper/character.py |   9 [green]+++++++++[/]
 beamkeeper/foghorn.py   |  17 [green]++++++[/][red]-----------[/]
 beamkeeper/keeper.py    |  12 [green]++++++++[/][red]----[/]
 docs/card.png           | Bin 0 -> 7804 bytes
 tests/conftest.py       |   8 [green]++++++++[/]
 tests/test_foghorn.py   |   7 [green]+++++++[/]
 tests/test_keeper.py    |  15 [green]+++++++++++++++[/]
 7 files changed, 53 insertions(+), 15 deletions(-)
""",
    ),
    plan(0.853, 5, *NEXT_STEPS),
    Meta(0.092, "usage_changed", {"used": 41870, "size": 200000}),
    say(
        7.470,
        """
        Done. Here is tonight in one table:

        |                           | before       | after       |
        | ------------------------- | ------------ | ----------- |
        | 🔦 the beam, after an hour | 7.2 s late   | **on time** |
        | 📯 the horn, after an hour | 0.95 s late  | **on time** |
        | 💤 after a nap             | 18 flashes   | **none**    |
        | ✅ tests                   | 7            | **10**      |

        One loose end, on purpose: when a nap ends in the middle of a flash, only the tail of that flash is shown. I
        would leave it so. The ferry will take it for a wink.
        """,
        {
            "type": "sparkline",
            "label": "seconds late, hour by hour",
            "series": {"before": [0, 7.2, 14.4, 21.6], "after": [0, 0, 0, 0]},
        },
    ),
    user(10.830, "The captain says: *thank you, and good night, lighthouse.* 🚢"),
    say(5.262, "Good night, ferry. Three flashes, then dark, every twelve seconds. All night long. ✨"),
)

# ------------------------------------------------------------------------------------------- the menu, in six scripts

DECOMPOSED = unicodedata.normalize("NFD", "crème brûlée")

TRY_NAMES = f"""\
python - <<'END'
import re
NAME = re.compile(r"[^\\W\\d_][\\w' -]*")
for dish in ["pad-thai", "crème brûlée", "{DECOMPOSED}", "餃子", "חומוס", "طحينة", "चाय", "7 Up", "🍜"]:
    print("yes" if NAME.fullmatch(dish) else "NO ", dish)
END"""

MENU: Story = (
    user(
        0,
        """
        Our café writes its menu in every language that walks in. 🍜 Somebody left this in the code, and it throws out
        my tea. What does it say, in plain words?

        ```python
        NAME = re.compile(r"[^\\W\\d_][\\w' -]*")
        ```
        """,
    ),
    think(
        2.214,
        """
        A double negative at the front: not a non-word character, not a digit, not an underscore. That leaves letters.
        Then anything wordy. So which dish fails? Perhaps one whose letters carry marks.
        """,
    ),
    say(
        2.853,
        """
        Read it like a doorman with a short list:

        | piece       | what the doorman says                                   |
        | ----------- | ------------------------------------------------------- |
        | `[^\\W\\d_]`  | “The first one must be a **letter**, of any alphabet.”  |
        | `[\\w' -]*`  | “Then letters, digits, `_`, apostrophes, blanks, hyphens: as many as you like.” |

        It means well. Let me send some dishes to the door.
        """,
        call(1, "Bash", "python - <<'END'", command=TRY_NAMES, description="Try the pattern on nine dishes"),
    ),
    result(
        1.478,
        1,
        f"""
[green]yes[/] pad-thai
[green]yes[/] crème brûlée
[red]NO [/] {DECOMPOSED}
[green]yes[/] 餃子
[green]yes[/] חומוס
[green]yes[/] طحينة
[red]NO [/] चाय
[red]NO [/] 7 Up
[red]NO [/] 🍜
""",
    ),
    say(
        3.366,
        """
        Two guests are turned away unjustly:

        - **चाय** (*chai*, your tea): its long *ā*, written ा, is a *vowel sign*. It leans on its letter and is none
          itself.
        - **crème brûlée**, the second one. It looks the same, but its accents were typed apart from their letters:
          `e` + `◌̀`.

        The 7 and the 🍜 are refused on purpose. So let marks come in with the letters that they lean on:
        """,
        {
            "type": "code",
            "language": "python",
            "text": "import unicodedata\n\n\ndef is_dish(name: str) -> bool:\n"
            '    """Letters and their marks, of any alphabet; the first one is a letter."""\n'
            '    marks_or_letters = all(unicodedata.category(c)[0] in "LM" or c in "\' -" for c in name)\n'
            "    return name[:1].isalpha() and marks_or_letters",
        },
    ),
    user(5.127, "Magnifique ! Et pour mon chef, en une phrase, en français ?"),
    say(
        2.391,
        """
        > Le premier signe doit être une lettre, de n’importe quel alphabet ; ensuite, les lettres peuvent venir avec
        > leurs accents, comme les clients avec leurs parapluies. ☂️
        """,
    ),
    user(4.683, "He laughed! The hummus man asks the same, he reads right to left."),
    say(
        2.508,
        """
        בשמחה! **התו הראשון חייב להיות אות**, ואחריו מותרים גם סימני ניקוד. `is_dish("חומוס")` → ✅

        وبالعربية أيضًا: **يبدأ الاسم بحرف**، ثم تأتي الحروف مع حركاتها. `is_dish("طحينة")` → ✅
        """,
    ),
    user(4.219, "餃子のおばあちゃんも聞いています。🥟"),
    say(
        2.147,
        """
        最初は**文字**、あとは文字とその記号なら大丈夫です。`is_dish("餃子")` → ✅ 麻婆豆腐もどうぞ。🌶️
        """,
    ),
    user(3.874, "Everybody is in, and I have my चाय. Thank you! 🫖"),
    say(1.652, "Enjoy it while it is hot. 🙏 **شكرًا · תודה · 谢谢 · merci · धन्यवाद**"),
)

# ------------------------------------------------------------------------------------------------- the picture

WIDTH, HEIGHT = 480, 270
SUBROWS = 4  # each row of pixels is sampled that many times, so that edges are smooth

Point = tuple[float, float]
Colour = tuple[int, int, int]

NIGHT = ((13, 19, 43), (18, 27, 58), (25, 37, 74), (35, 50, 91), (48, 66, 108))
CREAM, RED, STONE, SHADE = (248, 240, 220), (214, 72, 62), (58, 64, 88), (40, 45, 66)
GOLD, GLOW, GREY, CORAL, PANEL = (255, 209, 102), (255, 233, 168), (142, 153, 184), (244, 120, 96), (11, 15, 33)

FONT = {  # five pixels wide, seven high
    "A": "01110 10001 10001 11111 10001 10001 10001",
    "B": "11110 10001 10001 11110 10001 10001 11110",
    "C": "01110 10001 10000 10000 10000 10001 01110",
    "E": "11111 10000 10000 11110 10000 10000 11111",
    "F": "11111 10000 10000 11110 10000 10000 10000",
    "H": "10001 10001 10001 11111 10001 10001 10001",
    "I": "01110 00100 00100 00100 00100 00100 01110",
    "K": "10001 10010 10100 11000 10100 10010 10001",
    "L": "10000 10000 10000 10000 10000 10000 11111",
    "M": "10001 11011 10101 10101 10001 10001 10001",
    "N": "10001 11001 10101 10011 10001 10001 10001",
    "O": "01110 10001 10001 10001 10001 10001 01110",
    "R": "11110 10001 10001 11110 10100 10010 10001",
    "S": "01111 10000 10000 01110 00001 00001 11110",
    "T": "11111 00100 00100 00100 00100 00100 00100",
    "U": "10001 10001 10001 10001 10001 10001 01110",
    "1": "00100 01100 00100 00100 00100 00100 01110",
    "2": "01110 10001 00001 00110 01000 10000 11111",
    "3": "11110 00001 00001 01110 00001 00001 11110",
    "7": "11111 00001 00010 00100 01000 01000 01000",
    "(": "00010 00100 01000 01000 01000 00100 00010",
    ")": "01000 00100 00010 00010 00010 00100 01000",
    ".": "00000 00000 00000 00000 00000 01100 01100",
    " ": "00000 00000 00000 00000 00000 00000 00000",
}


class Canvas:
    """A picture in flat colours, made of polygons with smooth edges."""

    def __init__(self) -> None:
        self.rows: list[list[tuple[float, ...]]] = [[(0.0, 0.0, 0.0)] * WIDTH for _ in range(HEIGHT)]

    def polygon(self, points: list[Point], colour: Colour, alpha: float = 1.0) -> None:
        """Fill a polygon; where its edges cross a pixel, that pixel is blended."""
        edges = list(zip(points, points[1:] + points[:1], strict=True))
        ys = [y for _, y in points]
        for row in range(max(0, int(min(ys))), min(HEIGHT, int(max(ys)) + 1)):
            cover = [0.0] * WIDTH
            for sample in range(SUBROWS):
                y = row + (sample + 0.5) / SUBROWS
                cuts = sorted(
                    x0 + (y - y0) * (x1 - x0) / (y1 - y0) for (x0, y0), (x1, y1) in edges if (y0 <= y) != (y1 <= y)
                )
                for left, right in zip(cuts[::2], cuts[1::2], strict=True):
                    for x in range(max(0, int(left)), min(WIDTH, int(right) + 1)):
                        cover[x] += max(0.0, min(right, x + 1) - max(left, x)) / SUBROWS
            self._blend(row, cover, colour, alpha)

    def _blend(self, row: int, cover: list[float], colour: Colour, alpha: float) -> None:
        pixels = self.rows[row]
        for x, share in enumerate(cover):
            if share:
                under, weight = pixels[x], share * alpha
                pixels[x] = tuple(u + (c - u) * weight for u, c in zip(under, colour, strict=True))

    def box(self, x: float, y: float, width: float, height: float, colour: Colour, alpha: float = 1.0) -> None:
        """Fill a rectangle."""
        self.polygon([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], colour, alpha)

    def disc(self, x: float, y: float, radius: float, colour: Colour, alpha: float = 1.0) -> None:
        """Fill a circle."""
        turns = [math.tau * step / 48 for step in range(48)]
        self.polygon([(x + radius * math.cos(a), y + radius * math.sin(a)) for a in turns], colour, alpha)

    def text(self, x: float, y: float, words: str, colour: Colour, scale: int = 1) -> None:
        """Write capital letters from `FONT`, `(x, y)` being the top left corner."""
        for place, letter in enumerate(words):
            for down, line in enumerate(FONT[letter].split()):
                for along, dot in enumerate(line):
                    if dot == "1":
                        self.box(x + (place * 6 + along) * scale, y + down * scale, scale, scale, colour)

    def png(self) -> bytes:
        """The picture as a PNG file."""
        header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
        lines = b"".join(b"\0" + bytes(round(value) for pixel in row for value in pixel) for row in self.rows)
        chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
            for name, data in chunks
        )


def draw_card() -> bytes:
    """The card for the noticeboard: the lighthouse by night, and its flashes before and after, an hour in."""
    card = Canvas()
    _draw_night(card)
    _draw_beam(card, 152, 62)
    _draw_tower(card, 152)
    _draw_flashes(card)
    return card.png()


def _draw_night(card: Canvas) -> None:
    for band, colour in enumerate(NIGHT):
        card.box(0, band * 36, WIDTH, 200, colour)
    for x, y, size in STARS:
        card.disc(x, y, size, CREAM, 0.85)
    card.disc(418, 40, 17, CREAM)
    card.disc(410, 35, 15, NIGHT[0], 0.95)
    card.box(0, 160, WIDTH, 40, (22, 58, 92))
    for x, y, length in WAVES:
        card.box(x, y, length, 1.6, (74, 122, 158), 0.8)
    card.polygon([(318, 163), (326, 171), (372, 171), (382, 163)], (28, 33, 54))  # the ferry
    card.box(330, 155, 40, 8, (232, 226, 208))
    card.box(338, 148, 22, 7, (232, 226, 208))
    card.box(352, 140, 6, 8, RED)
    for window in range(5):
        card.box(334 + window * 7, 157.5, 3.4, 3, GOLD)


STARS = (
    (10, 46, 1.1), (58, 58, 0.8), (244, 47, 0.9), (40, 96, 0.9), (176, 20, 0.9), (214, 30, 1.2), (262, 14, 0.8),
    (300, 34, 0.9), (344, 18, 1.2), (376, 56, 0.8), (452, 76, 1.0), (466, 18, 0.9), (14, 128, 0.8), (70, 132, 0.7),
    (196, 112, 0.8), (246, 124, 0.9), (298, 118, 0.7), (404, 120, 0.9), (446, 134, 0.7),
)  # fmt: skip
WAVES = (
    (20, 170, 26), (196, 168, 34), (262, 176, 22), (410, 170, 30), (8, 184, 20), (222, 186, 40), (300, 182, 24),
    (352, 188, 36), (440, 183, 26), (180, 178, 18),
)  # fmt: skip


def _draw_beam(card: Canvas, x: float, y: float) -> None:
    for reach, alpha in ((380, 0.13), (300, 0.13), (215, 0.15), (130, 0.17)):
        card.polygon([(x, y - 3), (x + reach, y - 3 - reach * 0.05), (x + reach, y + 3 + reach * 0.14), (x, y + 3)],
                     GLOW, alpha)  # fmt: skip
        card.polygon([(x, y - 3), (x - reach, y - 3 - reach * 0.08), (x - reach, y + 3 + reach * 0.10), (x, y + 3)],
                     GLOW, alpha * 0.55)  # fmt: skip
    for radius, alpha in ((30, 0.10), (21, 0.16), (13, 0.30)):
        card.disc(x, y, radius, GLOW, alpha)


def _draw_tower(card: Canvas, x: float) -> None:
    def slice_of_tower(top: float, bottom: float, colour: Colour, share: float = 1.0) -> None:
        wide, wider = (13 + (y - 78) * 0.105 for y in (top, bottom))
        right, righter = (half * (2 * share - 1) for half in (wide, wider))
        card.polygon([(x + right, top), (x + righter, bottom), (x + wider, bottom), (x + wide, top)]
                     if share < 1 else [(x - wide, top), (x + wide, top), (x + wider, bottom), (x - wider, bottom)],
                     colour)  # fmt: skip

    card.polygon([(x - 62, 200), (x - 50, 178), (x - 30, 166), (x + 26, 165), (x + 48, 176), (x + 66, 200)], STONE)
    card.polygon([(x + 10, 200), (x + 26, 165), (x + 48, 176), (x + 66, 200)], SHADE)
    for stripe in range(5):
        top = 78 + stripe * 17.6
        slice_of_tower(top, top + 17.6, RED if stripe % 2 else CREAM)
        slice_of_tower(top, top + 17.6, (170, 50, 50) if stripe % 2 else (216, 204, 186), 0.72)
    card.box(x - 19, 73, 38, 5, SHADE)
    for post in range(7):
        card.box(x - 18 + post * 5.8, 66, 1.2, 7, SHADE)
    card.box(x - 18.5, 65, 37, 1.4, SHADE)
    card.box(x - 9, 51, 18, 22, GOLD)
    card.box(x - 4, 51, 8, 22, (255, 246, 214))
    card.box(x - 9.6, 51, 1.4, 22, SHADE)
    card.box(x + 8.2, 51, 1.4, 22, SHADE)
    card.polygon([(x - 13, 51), (x, 36), (x + 13, 51)], RED)
    card.polygon([(x + 3, 39.5), (x + 13, 51), (x + 5, 51)], (170, 50, 50))
    card.disc(x, 35, 2.4, CREAM)
    card.box(x - 6, 152, 12, 14, SHADE)
    card.disc(x, 152, 6, SHADE)
    card.box(x - 2.5, 100, 5, 8, SHADE)
    card.box(x - 2.5, 122, 5, 8, SHADE)


def _draw_flashes(card: Canvas) -> None:
    card.box(0, 196, WIDTH, 74, PANEL)
    card.text(20, 16, "FL(3) 12S", CREAM, 2)
    left, scale = 92, 12  # twenty-four seconds from there, so many pixels a second
    for tick in range(0, 25, 12):
        card.box(left + tick * scale, 203, 1, 60, (52, 62, 96))
    rows = (("CLOCK", "", GREY, 0.0), ("BEFORE", "7.2 S LATE", CORAL, 7.2), ("AFTER", "ON TIME", GOLD, 0.0))
    for row, (label, remark, colour, late) in enumerate(rows):
        y = 206 + row * 20
        card.text(20, y + 3, label, colour)
        card.box(left, y + 6, 24 * scale, 1, (52, 62, 96))
        for start in range(-12, 24, 12):
            for flash in (0, 2, 4):
                at = start + flash + late
                if 0 <= at < 24:
                    card.box(left + at * scale, y, 6, 13, colour)
        card.text(left + 24 * scale + 12, y + 3, remark, colour)


# ------------------------------------------------------------------------------------------------- what is written

LIGHTHOUSE_METADATA: dict[str, Any] = {
    "scroll_id": "5ca1ab1e-0f1a-4b12-9c05-7ea5e70fba11",
    "connector_uid": "c0ffee00-1234-4d0c-8a5e-b0a7000f1a54",
    "native_session_id": "steady-beam-01",
    "kind": "AcpConnection",
    "title": "Give the lighthouse a steady beam",
    "agent": "Demo Agent",
    "model": MODEL,
    "project": "beamkeeper",
    "created_at": "2026-11-20T21:12:04.218Z",
    "parent_scroll_id": None,
    "cwd": HOME,
    "git_branch": "steady-beam",
}

MENU_METADATA: dict[str, Any] = {
    "scroll_id": "d15be5a1-7ea0-4caf-8e11-0da11da11d15",
    "connector_uid": "c0ffee00-1234-4d0c-8a5e-b0a7000f1a54",
    "native_session_id": "open-menu-02",
    "kind": "AcpConnection",
    "title": "A menu in every alphabet 🍜 餃子 · חומוס · चाय",
    "agent": "Demo Agent",
    "model": MODEL,
    "project": "café-menu",
    "created_at": "2026-11-18T11:47:30.502Z",
    "parent_scroll_id": None,
    "cwd": "/home/keeper/cafe-menu",
    "git_branch": "main",
}

Record: TypeAlias = dict[str, Any]


def records_of(metadata: dict[str, Any], story: Story) -> tuple[list[Record], list[Record]]:
    """A story as its message records and its meta event records."""
    now = datetime.fromisoformat(metadata["created_at"])
    session = metadata["scroll_id"]
    messages: list[Record] = []
    meta_events: list[Record] = []
    used = 6200  # tokens that the agent has read before the first word: its instructions and its tools
    for place, item in enumerate(flat(story)):
        now += timedelta(seconds=item.wait)
        stamp = {
            "session": session,
            "ts": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
        own_id = str(uuid5(UUID(session), str(place)))
        if isinstance(item, Meta):
            meta_events.append({"event_id": own_id, **stamp, "kind": item.kind, "payload": item.payload})
            continue
        parts = [with_picture(part) for part in item.parts]
        content_md = "\n\n".join(map(markdown, parts))
        tokens = len(content_md) // 4 + 1
        extra = dict(item.metadata)
        if item.role == "assistant":
            extra |= {"model": MODEL, "usage": {"input_tokens": used, "output_tokens": tokens}}
        used += tokens
        record = {"message_id": own_id, **stamp, "role": item.role, "content_md": content_md, "content_parts": parts}
        messages.append({**record, "metadata": extra or None})
    return messages, meta_events


def flat(story: Iterable[Any]) -> Iterator[Beat | Meta]:
    """The beats of a story one by one, asides included."""
    for item in story:
        if isinstance(item, Beat | Meta):
            yield item
        else:
            yield from flat(item)


def with_picture(part: Part) -> Part:
    """The part as it is, or with the card where a picture belongs."""
    if part["type"] != "image":
        return part
    return {**part, "data": base64.b64encode(draw_card()).decode()}


# ------------------------------------------------------------------------------------------------ parts as Markdown

CHECKBOXES = {"completed": "- [x] {}", "in_progress": "- [ ] **{}** (in progress)", "pending": "- [ ] {}"}


def markdown(part: Part) -> str:
    """One part as Markdown: what is shown where the parts themselves cannot be."""
    match part["type"]:
        case "text":
            return str(part["text"])
        case "thinking":
            return f"> {part['text']}"
        case "code":
            return fenced(part["text"], part["language"])
        case "tool_call":
            return f"**{part['name']}**:\n\n{fenced(json.dumps(part['input'], ensure_ascii=False, indent=2), 'json')}"
        case "tool_result":
            outcome = "Error" if part["is_error"] else "Result"
            return f"**{outcome}**:\n\n" + "\n\n".join(fenced(output["text"]) for output in part["output"])
        case "plan":
            return "\n".join(CHECKBOXES[entry["status"]].format(entry["content"]) for entry in part["entries"])
        case "resource":
            return f"[{part['uri']}]({part['uri']})\n\n{fenced(part['text'])}"
        case "image":
            return f"![{part['mime_type']}]({part['uri']})"
        case _:
            return fenced(json.dumps(part, ensure_ascii=False, indent=2), "json")


def fenced(text: str, language: str = "") -> str:
    """Text in a fence that is longer than any within it, without the colours of a terminal."""
    plain = re.sub(r"\x1b\[\d+m", "", text).strip("\n")
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", plain)), default=0))
    return f"{fence}{language}\n{plain}\n{fence}"


def main() -> None:
    """Write both sessions: the lighthouse as a folder of lines, the menu as one whole file."""
    messages, meta_events = records_of(LIGHTHOUSE_METADATA, LIGHTHOUSE)
    folder = DEMO / LIGHTHOUSE_METADATA["scroll_id"]
    folder.mkdir(parents=True, exist_ok=True)
    save(folder / "session.json", json.dumps(LIGHTHOUSE_METADATA, ensure_ascii=False, indent=2))
    save(folder / "messages.jsonl", *(json.dumps(record, ensure_ascii=False) for record in messages))
    save(folder / "meta_events.jsonl", *(json.dumps(record, ensure_ascii=False) for record in meta_events))

    messages, meta_events = records_of(MENU_METADATA, MENU)
    whole = {"metadata": MENU_METADATA, "messages": messages, "meta_events": meta_events}
    save(DEMO / f"{MENU_METADATA['scroll_id']}.json", json.dumps(whole, ensure_ascii=False, indent=1))


def save(path: Path, *lines: str) -> None:
    """Write lines as UTF-8, each ended by a newline on every system."""
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())


if __name__ == "__main__":
    main()
