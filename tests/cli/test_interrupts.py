"""Ctrl-C as a terminal sends it: to every process of the command at once."""

from __future__ import annotations

from pathlib import Path

from ..programs import Programs  # noqa: TID252 - tests are no package with a name

INTERRUPTED = """
import os, signal, sys, threading, time
from pathlib import Path
from explanans.cli.main import main

def interrupt():
    while not any(Path({folder!r}).glob(".scenes.*/JPEGImages/*.jpg")):
        time.sleep(0.02)
    os.killpg(0, signal.SIGINT)

os.setsid()
# A suite that was started in the background ignores Ctrl-C, and hands that on.
signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Thread(target=interrupt, daemon=True).start()
sys.exit(main({words!r}))
"""


def test_scenes_that_are_drawn_in_processes_stop_without_a_trace(tmp_path: Path, programs: Programs) -> None:
    words = ["data", "scenes", str(tmp_path / "scenes"), "--train=20000", "--val=0", "--test=0", "--size=48"]
    ended = programs.run(INTERRUPTED.format(folder=str(tmp_path), words=[*words, "--workers=2"]))
    assert ended.returncode == 130, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "Process" not in ended.stderr
    assert "repeat the command to go on" in ended.stderr
    assert not list(tmp_path.iterdir())
