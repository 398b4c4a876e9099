"""Markdown of plain text shows that text, whatever it holds."""

import html
import re

import pandas as pd
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bench.reporting.document import NO_CASES, Heading, Table, Words, markdown, plain

READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def test_each_kind_of_block() -> None:
    """Blocks stand apart by an empty line, and only words of our own hold markup."""
    frame = pd.DataFrame({"backend": ["numpy", "a|b"], "N = 32": [1.5, None]})
    assert markdown([Heading(2, "a *b*"), Words("*x*"), "*y*", Table(frame)]) == (
        "## a \\*b\\*\n\n*x*\n\n\\*y\\*\n\n"
        "| backend   | N = 32   |\n|:----------|:---------|\n| numpy     | 1.5      |\n| a\\|b      |          |"
    )
    assert markdown([Table(frame[:0])]) == NO_CASES


def test_ordinary_words_stay_readable_in_the_source() -> None:
    """What our own tables hold needs no escape."""
    for text in (
        "985±3% [41%]",
        "< 1 MiB",
        "libscipy_openblas 2",
        "{'MALLOC_TRIM_THRESHOLD_': '1'}",
        "N = 2^20, 3.5e-06",
    ):
        assert plain(text) == text


@given(st.text(st.sampled_from("ab1 \\`*_~$|<>&;#![]()/=\"'-.:") | st.characters(exclude_categories=["C", "Z"])))
@example("<script>alert(1)</script>")
@example("![x](http://a.b/c.png) [y](javascript:z)")
@example("&lt;b&gt; \\&amp; <!-- a -->")
@example("__a__ _b_ ~~c~~ `d` \\| \\\\| $e$")
def test_a_cell_shows_the_text_that_it_was_given(text: str) -> None:
    """No HTML, link, picture, code or emphasis comes of a cell, and its | ends no cell."""
    page = READER.render(markdown([Table(pd.DataFrame({"one": [text], "two": ["end"]}))]))
    one, two = re.findall(r"<td[^>]*>(.*?)</td>", page, flags=re.DOTALL)
    assert two == "end"
    assert "<" not in one
    assert html.unescape(one) == text.strip()
