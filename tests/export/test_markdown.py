import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archives import Line, message
from export.conftest import Exporter
from export.stories import call, everything, result, text
from scrollcast.export.markdown import escape_inline, fenced, safe_markdown

ROOT = Path(__file__).parents[2]

READER = f"""
import {{ Lexer, marked }} from {json.dumps(str(ROOT / "node_modules/marked/lib/marked.esm.js"))};
let input = '';
for await (const piece of process.stdin) input += piece;
console.log(JSON.stringify(JSON.parse(input).map((text) => {{
  const found = {{ html: [], links: [], pictures: [], code: [] }};
  marked.walkTokens(new Lexer({{ gfm: true }}).lex(text), (token) => {{
    if (token.type === 'html') found.html.push(token.raw);
    if (token.type === 'link') found.links.push(token.href);
    if (token.type === 'image') found.pictures.push(token.href);
    if (token.type === 'code' || token.type === 'codespan') found.code.push(token.text);
  }});
  return found;
}})));
"""


def read(*documents: str) -> list[dict[str, list[str]]]:
    """What a reader of Markdown that knows nothing of us makes of some documents."""
    node = shutil.which("node")
    assert node, "the page's tests need it anyway"
    made = subprocess.run(
        [node, "--input-type=module", "-e", READER],
        input=json.dumps(documents), capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    found: list[dict[str, list[str]]] = json.loads(made.stdout)
    return found


async def test_conversation_reads_as_one(exporter: Exporter) -> None:
    """With turns, calls, results and plans."""
    document = (await exporter.write(everything()).document("markdown")).decode()

    assert document.startswith("# A session\n\n- Begun: 2026")
    for piece in (
        "## 1. User · 0:01\n\nPlease look.", "> *Thinking*\n>\n> thought-4711", "**Bash**\n\n```sh\ninput-4711\n```",
        "*Bash failed:*\n\n```\noutput-4711\n```", "- [ ] Rest", "## 2. User · 1:00\n\nThanks.", "*Picture (image/png",
    ):  # fmt: skip
        assert piece in document


HOSTILE = [
    "<script>alert(1)</script> <img src=x onerror=alert(1)> <!-- x --> <?x ?> <![CDATA[x]]> </div>",
    "[a](javascript:alert(1)) [a]( <javascript:x>) [a](JaVa&#115;cript:x) [a](&#x6a;avascript:x) [a](data:text/html,x)",
    "[a](\njavascript:alert(1)) [a][b]\n\n[b]: javascript:alert(1)\n\n[c]:\njavascript:x\n\n[c]",
    "![pixel](http://127.0.0.1:9/p.png) ![pixel][b]\n\n[b]: http://127.0.0.1:9/p.png",
    "a ` b\n` <script>x</script> `",
    "a ` b\n\u00a0\n` <script>x</script> `",
    "| a ` b | ` <script>x</script> ` |\n|---|---|\n| ` | <img onerror=x> ` |",
    "\\` <script>x</script> `",
    "- ```\n  <script>\n<img onerror=x>\n- b\n  ```\n<b>x</b>",
    "> ```\n> <script>\n<b onclick=x>",
    "    ```\n<script>x</script>\n    ```",
    "```\n``\t\n<b>\n```\n<script>x</script>",
    "````\n```\n<b>\n````\n<script>x</script>\n```",
    "~~~ `\n<b>\n~~~\n``` `\n<script>x</script>",
    "<http://127.0.0.1:9/> <javascript:x> <a@b.c>",
    "text\r<script>x</script>\x0b<script>x</script>\x0c<script>",
    "```\nnever closed <script>",
    "1. ```\n   a\n```\n<script>x</script>\n```",
]


async def test_results_say_what_they_are_of(exporter: Exporter) -> None:
    """Those of calls that were made together come in any order; one of a call that is not there says nothing."""
    asked = [{**call(call_id), "name": name} for call_id, name in (("a", "Grep"), ("b", "Read"))]
    answered = [result(text("here"), call_id=call_id) for call_id in ("b", "a", "x")]
    exporter.write(
        [message("m0", 0, "assistant", content_parts=asked), message("m1", 1, "tool", content_parts=answered)]
    )
    document = (await exporter.document("markdown")).decode()

    assert re.findall(r"\*Result.*\*", document) == ["*Result of Read:*", "*Result of Grep:*", "*Result:*"]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_nothing_said_becomes_markup(hostile: str) -> None:
    """Whatever a reader takes for code; what comes behind it is not changed by it either."""
    (found,) = read(safe_markdown(hostile) + "\n\n<!--ours-->\n\nlast")

    assert found["html"] in (["<!--ours-->\n\n"], ["<!--ours-->"])
    assert found["pictures"] == []
    assert all(link.startswith(("http://127.0.0.1", "mailto:")) for link in found["links"])


@settings(max_examples=1, deadline=None)
@given(st.data())
def test_nothing_made_of_its_pieces_does(data: st.DataObject) -> None:
    """In any order, many at once."""
    pieces = st.sampled_from(
        ["`", "``", "```", "~~~", "\n", "\n\n", " ", "    ", "<b>", "<!--", "[a](", "javascript:x", ")", "![", "]",
         "> ", "- ", "| ", "|---|\n", "\\", "x", "\t", "1. ", "&#106;", "http://a/", "[b]: ",
         "[b]", "#", "<", ">", "\u00a0"]
    )  # fmt: skip
    texts = data.draw(st.lists(st.lists(pieces, max_size=25).map("".join), min_size=400, max_size=400))

    for text_given, found in zip(texts, read(*map(safe_markdown, texts)), strict=True):
        assert found["html"] == [], text_given
        assert found["pictures"] == [], text_given
        assert not any(link.lower().startswith("javascript") for link in found["links"]), text_given


def test_code_stays_as_it_was_written() -> None:
    """In fences and in spans."""
    said = (
        "Use `<div>` and ``a ` b``, not <b>.\n\n```html\n<b>&amp;</b>\n```\n\n"
        "Done [here](https://example.com/a_(b)), [there](docs/x.md#y)."
    )

    safe = safe_markdown(said)
    assert safe == said.replace("not <b>", "not &lt;b>")
    (found,) = read(safe)
    assert found["code"][0] == "<div>"
    assert found["links"] == ["https://example.com/a_(b)", "docs/x.md#y"]


@settings(max_examples=60)
@given(st.text(alphabet="`~\n \tx<", max_size=200))
def test_fence_is_never_ended_by_what_it_holds(content: str) -> None:
    """However many backticks there are in it."""
    lines = fenced(content, "sh`\n<x").split("\n")

    assert lines[0].strip("`") == "shx"
    assert not any(
        line.strip() and not line.strip(" `") and line.count("`") >= lines[0].count("`") for line in lines[1:-1]
    )
    assert lines[-1] == lines[0].removesuffix("shx")


async def test_hostile_session_is_text(exporter: Exporter) -> None:
    """In every place that text can stand in."""
    bad = "<script>x</script>\n```\n# [a](javascript:x) ![p](http://127.0.0.1:9/p)"
    parts: list[Any] = [
        text(bad), {"type": "thinking", "text": bad}, {"type": "code", "language": bad, "text": bad}, result(text(bad)),
        {"type": "tool_call", "call_id": "c", "name": bad, "title": bad, "kind": bad, "input": {bad: bad}},
        {"type": "plan", "entries": [{"content": bad, "status": bad}]}, {"type": "image", "mime_type": bad, "uri": bad},
        {"type": "resource", "uri": bad, "text": bad}, {"type": "surprise", "html": bad},
    ]  # fmt: skip
    lines: list[Line] = [message("m0", 0, bad, content_parts=parts), message("m1", 1, "user", content_parts=parts)]
    document = await exporter.write(lines, title=bad, agent=bad, model=bad, project=bad).document("markdown")

    (found,) = read(document.decode())
    assert found["html"] == []
    assert all(link.startswith("http://127.") for link in found["links"])  # as a reader finds them by itself
    assert found["pictures"] == []
    assert document.count(b"\n## ") == 1


def test_lines_of_ours_hold_no_markdown() -> None:
    """Each sign that could mean something is escaped."""
    (found,) = read(escape_inline("*a* `b` [c](d) <e> ![f](g) | h"))

    assert not any(found.values())
