"""What a report may write, whatever its journals hold: nothing that is read as anything but text."""

import csv
import io
import re
import unicodedata
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from bench.reporting import readme
from bench.reporting.document import Words
from bench.reporting.tables import answer, learning, throughput, verdicts


def check_printable(text: str) -> None:
    """Nothing in it steers a terminal or turns a text round."""
    assert [sign for sign in set(text) if unicodedata.category(sign)[0] == "C" and sign != "\n"] == []


READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
MODULES = (answer, throughput, learning, verdicts)
OUR_WORDS = [value for module in MODULES for value in vars(module).values() if isinstance(value, Words)]
OUR_WORDS += [block for block in readme.PAGE_TITLE if isinstance(block, Words)]
OUR_LINKS = r"raw|tables/[\w.+-]+\.md|figures/[\w.+-]+\.png|\.\./bench/README\.md#what-is-inside-the-clock"


def check_markdown(path: Path) -> None:
    """No HTML, no link, picture or code but ours; every row of a table has the columns of its head."""
    text = path.read_text(encoding="utf-8")
    check_printable(text)
    our_code = {code for words in OUR_WORDS for code in re.findall("`(.*?)`", words.text)}
    for token in flat(READER.parse(text)):
        assert token.type not in ("html_block", "html_inline", "code_block", "fence", "s_open", "hr"), token.content
        assert token.type != "code_inline" or token.content in our_code
        for link in (token.attrs.get("href"), token.attrs.get("src")):
            assert link is None or re.fullmatch(OUR_LINKS, str(link)), link
    for block in text.split("\n\n"):
        columns = {len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) for row in block.splitlines() if row.startswith("|")}
        assert len(columns) <= 1, block


def flat(tokens: list[Token]) -> list[Token]:
    """The tokens and those inside them."""
    return [inner for token in tokens for inner in [token, *flat(token.children or [])]]


def check_csv(path: Path) -> None:
    """As many cells in each row, and nothing that a spreadsheet would compute."""
    text = path.read_text(encoding="utf-8")
    check_printable(text)
    rows = list(csv.reader(io.StringIO(text)))
    assert len({len(row) for row in rows}) == 1
    for cell in (cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))):
        float(cell)
