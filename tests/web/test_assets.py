from __future__ import annotations

import gzip
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from archives import SCROLL_ID, write_session
from scrollcast.client import connect
from scrollcast.settings import static_folder
from scrollcast.web.assets import STARTS, Assets
from serving import ASSETS, Serving, serving, talk

MAIN = (static_folder() / "main.js").read_text()

BUDGET_BYTES = 250_000
"""What the page may weigh, packed, without the data of a session."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small page of two modules."""
    for name, text in {
        "index.html": '<html data-base="{base}"><script src="{assets}main.js"></script>{preloads}',
        "main.js": "/** @import { A } from './types.js' */\nimport {\n  a,\n} from './views/a.js';\n",
        "views/a.js": "import { b } from '../b.js';\nexport { b } from '../b.js';\nimport('./later.js');\n",
        "views/later.js": "",
        "b.js": "export const b = 1;" + " " * 100,
        "types.js": "",
        "types.d.ts": "",
        "picture.png": "",
    }.items():
        path = tmp_path / "page" / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
    return tmp_path / "page"


def test_the_digest_names_the_content_of_all_files(folder: Path) -> None:
    """A change of one is another address for all, so that no page mixes two versions."""
    before = Assets(folder).digest
    assert Assets(folder).digest == before
    (folder / "b.js").write_text("export const b = 2;")
    changed = Assets(folder).digest
    assert changed != before
    (folder / "b.js").rename(folder / "c.js")
    assert Assets(folder).digest not in (before, changed)


def test_files_are_packed_where_that_helps(folder: Path) -> None:
    """And come with their type; types for editors are no part of the page."""
    assets = Assets(folder)
    module = assets.get("b.js")
    assert module is not None
    assert module.media_type == "text/javascript"
    assert gzip.decompress(module.packed or b"") == module.data
    picture = assets.get("picture.png")
    assert picture is not None
    assert (picture.media_type, picture.packed) == ("image/png", None)
    for absent in ("types.d.ts", "index.html", "../page/b.js", "views", ""):
        assert assets.get(absent) is None


def test_the_page_says_where_everything_is(folder: Path) -> None:
    """Behind a prefix or not; with every module that it begins with, and none that comes later."""
    assets = Assets(folder)
    page = assets.page("/x").decode()
    assert f'data-base="/x/"><script src="/x/assets/{assets.digest}/main.js">' in page
    preloads = re.findall(r'<link rel="modulepreload" href="/x/assets/[0-9a-f]{16}/([^"]+)">', page)
    assert preloads == ["views/a.js", "b.js"]
    assert 'data-base="/"' in assets.page("").decode()


@pytest.mark.parametrize(
    ("name", "shows"), [("index.html", "list"), ("index.html", "player"), ("embed.html", "player")]
)
def test_every_static_import_of_the_page_is_preloaded(name: str, shows: str) -> None:
    """Found once more in another way: from every module that is loaded, for what it asks for."""
    assets = Assets(static_folder())
    preloaded = set(re.findall(rf"{assets.digest}/([^\"]+\.js)", assets.page("", name, shows=shows).decode()))
    assert {module for starts in STARTS[shows] for module in starts} <= preloaded
    for name in preloaded:
        asset = assets.get(name)
        assert asset is not None, name
        for line in asset.data.decode().splitlines():
            found = re.match(r"(?:import|export|\}) .*from '(\.{1,2}/[^']+)';?$", line)
            if found:
                other = (static_folder() / name).parent.joinpath(found[1]).resolve().relative_to(static_folder())
                assert other.as_posix() in preloaded, f"{name} imports {other}"
    assert len(preloaded) > (15 if shows == "list" else 40)


@pytest.mark.parametrize(
    ("shows", "urgent", "later"),
    [
        (
            "player",
            {"player", "player-store", "controls"},
            {"transcript", "marked", "plan-now", "lowlight", "catalogue"},
        ),
        ("list", {"catalogue", "filters"}, set()),
    ],
)
def test_what_the_first_paint_does_not_need_comes_after_what_it_does(
    shows: str, urgent: set[str], later: set[str]
) -> None:
    """And what may never be needed, not at all: the dialogs. A browser fetches nothing that stands in a template."""
    page = Assets(static_folder()).page("", shows=shows).decode()
    at_once, *after = [
        set(re.findall(r'modulepreload" href="[^"]*/([\w-]+)\.js">', text))
        for text in page.split('<template id="next">')
    ]
    assert urgent <= at_once
    assert later <= set().union(*after)
    assert at_once.isdisjoint(later | {"export-dialog", "help"})
    assert {"export-dialog", "help"}.isdisjoint(set().union(*after))


def test_a_player_is_there_to_be_painted_before_its_modules_are() -> None:
    """Its frame, where the list begins empty: what is in it takes time."""
    assets = Assets(static_folder())
    player, listed = assets.page("/x", shows="player").decode(), assets.page("/x").decode()
    assert re.search(r'<div id="app"><div class="player in-page shell">.*<a class="back" href="/x/"', player, re.DOTALL)
    assert '<div id="app"></div>' in listed
    assert "{" not in player + listed


def test_what_stands_in_exported_files_only_is_no_part_of_the_page() -> None:
    """No browser asks a server for it."""
    assert Assets(static_folder()).get("offline/main.js") is None
    assert (static_folder() / "offline" / "main.js").is_file()


def test_all_of_the_page_weighs_no_more_than_it_may() -> None:
    """Whatever a browser may ever load of it, but for what other pages embed."""
    assets = Assets(static_folder())
    names = [path.relative_to(static_folder()).as_posix() for path in static_folder().rglob("*.*")]
    names = [name for name in names if "embed" not in name and name not in ("index.html", "scrollcast-player.js")]
    found = [
        asset for name in names if name.endswith((".js", ".css", ".svg")) and (asset := assets.get(name)) is not None
    ]
    weight = len(gzip.compress(assets.page(""))) + sum(len(asset.packed or asset.data) for asset in found)
    assert 100_000 < weight < BUDGET_BYTES


FIRST_BYTES = 100_000
"""What may be loaded before the first paint of a player, packed: the styles, and what its modules import."""


def test_a_player_loads_little_before_it_is_painted() -> None:
    """The conversation comes next; the rest when somebody wants it."""
    assets = Assets(static_folder())
    page = assets.page("", shows="player")
    at_once, _ = page.decode().split('<template id="next">')
    names = set(re.findall(rf'{assets.digest}/([^"]+\.(?:js|css))"', at_once))
    found = [asset for name in names if (asset := assets.get(name)) is not None]
    assert len(found) == len(names)
    weight = len(gzip.compress(page)) + sum(len(asset.packed or asset.data) for asset in found)
    assert 50_000 < weight < FIRST_BYTES


# ------------------------------------------------------------------------------------------------------ over HTTP


@pytest.fixture
async def server(root: Path, cache: Path) -> AsyncIterator[Serving]:
    """A server that a proxy has given a path."""
    write_session(root, talk(20, pad=3000))
    async with serving(root, cache=cache, root_path="/x/y") as server:
        yield server


async def test_files_are_kept_for_good_and_pages_are_not(server: Serving) -> None:
    """An address of another version is none: what it would give is not what was asked for."""
    async with server.http() as http:
        page = await http.get("/")
        main = await http.get(f"{ASSETS}/main.js")
        plain = await http.get(f"{ASSETS}/main.js", headers={"accept-encoding": "identity"})
        gone = await http.get("/assets/0123456789abcdef/main.js")
    assert page.headers["cache-control"] == "no-cache"
    assert main.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert (main.headers["content-encoding"], main.headers["vary"]) == ("gzip", "accept-encoding")
    assert "content-encoding" not in plain.headers
    assert main.text == plain.text == MAIN
    assert (gone.status_code, "cache-control" in gone.headers) == (404, False)


@pytest.mark.parametrize("prefix", ["/x/y", ""], ids=["a proxy that leaves it", "a proxy that takes it off"])
async def test_behind_a_path_prefix_every_address_leads_back_through_it(server: Serving, prefix: str) -> None:
    """Of the page, its files, its data, and of the parts that were cut short, over HTTP and over the socket."""
    async with server.http() as http:
        page = await http.get(f"{prefix}/sessions/{SCROLL_ID}")
        for address in re.findall(r'(?:src|href)="([^"]+)"', page.text):
            assert address.startswith("/x/y/"), address
            assert (await http.get(address)).status_code == 200
        events = await http.get(f"{prefix}/api/sessions/{SCROLL_ID}/events", params={"limit": 1, "preview": 1024})
        href = events.json()["events"][0]["event"]["message"]["content"][0]["truncated"]["href"]
        assert href.startswith("/x/y/api/sessions/")
        assert len((await http.get(href)).text) > 3000
        assert (await http.get(f"{prefix}/nothing")).status_code == 404
    first = await anext(aiter(connect(f"{server.url}{prefix}/sessions/{SCROLL_ID}", preview=1024)))
    assert first.data["message"]["content"][0]["truncated"]["href"] == href
