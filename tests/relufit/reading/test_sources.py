"""Where tables come from: pipes are copied, and what can be read once only is refused."""

import gc
import os
import sys
import tempfile
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from table_files import message, parquet_of, whole, written

from relufit.reading import sources


@pytest.mark.skipif(sys.platform == "win32", reason="there are no named pipes in folders")
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_pipe_is_read(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe is read from a temporary copy, which is deleted afterwards; errors name the pipe."""
    (tmp_path / "copies").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "copies"))
    path = parquet_of(tmp_path, t=[1, 2], v=[3, 4]) if kind == "parquet" else written(tmp_path, "t,v\n1,3\n2,4\n")
    os.mkfifo(tmp_path / "pipe")

    def fed(content: bytes) -> Path:
        threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(content,), daemon=True).start()
        return tmp_path / "pipe"

    assert whole(fed(path.read_bytes())).y.tolist() == [[3.0], [4.0]]
    assert message(fed(path.read_bytes()), "q") == message(path, "q").replace(path.name, "pipe")
    gc.collect()
    assert list((tmp_path / "copies").iterdir()) == []
    monkeypatch.setattr(sources.shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    assert "the pipe holds more than half of the free space" in message(fed(path.read_bytes()))
    gc.collect()
    assert list((tmp_path / "copies").iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="there is no /dev")
def test_a_device_is_no_table() -> None:
    """It is there, but can be read once at the most."""
    says = "cannot read /dev/null: it is neither a regular file nor a pipe; write the table to a file first"
    assert message(Path("/dev/null")) == says.replace("/dev/", "")
