"""Ctrl-C as a terminal sends it: to every process of the command at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def test_scenes_that_are_drawn_in_processes_stop_without_a_trace(tmp_path: Path) -> None:
    out = tmp_path / "scenes"
    words = ["data", "scenes", str(out), "--train=20000", "--val=0", "--test=0", "--size=48", "--workers=2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "explanans", *words],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A suite that was started in the background ignores Ctrl-C, and would hand that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while process.poll() is None and not any(tmp_path.glob(".scenes.*/JPEGImages/*.jpg")):
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate()
    assert process.returncode == 130, error
    assert "Traceback" not in error
    assert "Process" not in error
    assert "repeat the command to go on" in error
    assert not list(tmp_path.iterdir())
