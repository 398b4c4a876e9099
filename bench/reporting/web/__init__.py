"""results/index.html: the whole report as one page that works offline and can be filtered.

The answer and the main table of each machine are plain HTML. Everything that can be filtered is embedded once as JSON
and shown by the scripts beside this file; the charts are Vega-Lite, made with Altair. The same journals give the same
bytes.
"""

from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path

from bench.analysis.frames import Run
from bench.journal.reader import Complain
from bench.reporting.document import Document, write_text

NAME = "index.html"
LIBRARIES = ("altair", "vl_convert")


def write(out: Path, page: Document, groups: dict[str, list[Run]], written: Collection[Path], say: Complain) -> None:
    """Write the page into `out`, beside the files `written` that it links to.

    `page` is what results/README.md holds; `groups` are the runs of each machine and setting. Where a library is
    missing, one sentence says what to install, and the page of an earlier report, which would be outdated, is removed.
    """
    if not all(map(find_spec, LIBRARIES)):
        (out / NAME).unlink(missing_ok=True)
        return say(f'{NAME} was not written: it needs altair and vl-convert-python; pip install "relufit[page]"')
    from bench.reporting.web.assembly import assemble  # here, since it imports altair

    text = assemble(out, page, groups, written)
    return write_text(out / NAME, text.encode(errors="replace").decode())  # names of folders may hold any bytes
