from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading

import pytest
from rich.progress import BarColumn, TextColumn

from explanans.utils.progress import progress_bar

CODE = (
    "import sys; from rich.progress import TextColumn; from explanans.utils.progress import progress_bar\n"
    "with progress_bar(TextColumn('Counting'), show=sys.argv[1] == 'True') as bar:\n"
    "    list(bar.track(range(3)))"
)


def test_nothing_is_drawn_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    for show in (True, False):
        with progress_bar(TextColumn("Counting"), BarColumn(), show=show) as bar:
            assert list(bar.track(range(3))) == [0, 1, 2]
            assert bar.disable
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("show", [True, False])
def test_a_terminal_shows_the_bar_if_asked(show: bool) -> None:
    reading, writing = pty.openpty()
    drawn = bytearray()

    def read() -> None:
        while True:
            try:
                drawn.extend(os.read(reading, 1000))
            # What Linux says at the end of a terminal.
            except OSError:
                return

    environment = {**os.environ, "TERM": "xterm"}
    process = subprocess.Popen([sys.executable, "-c", CODE, str(show)], stderr=writing, env=environment)
    os.close(writing)
    thread = threading.Thread(target=read)
    thread.start()
    assert process.wait() == 0
    thread.join()
    os.close(reading)
    assert (b"Counting" in drawn) == show
