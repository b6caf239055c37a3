"""Programs in processes of their own that need not import everything anew: forks of one process that did nothing else.

Importing torch, Lightning and the package takes seconds, which a test that kills a program can do without. The process
that forks has one thread and has computed nothing, so that a fork is as good as a new interpreter.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

SERVER = """
import gc, json, os, sys, threading, traceback
import pyarrow.parquet
import explanans.benchmark, explanans.cli.main, explanans.cli.commands.explain, explanans.training
assert threading.active_count() == 1, threading.enumerate()
gc.freeze()
for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if child:
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        continue
    status = 1
    try:
        for number, name in ((0, os.devnull), (1, asked["out"]), (2, asked["err"])):
            os.dup2(os.open(name, os.O_RDWR), number)
        sys.stdin = open(os.devnull)
        exec(compile(asked["code"], "<program>", "exec"), {"__name__": "__main__"})
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else end.code is not None
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
"""


class Programs:
    """Starts programs; :meth:`close` ends the process that forks them."""

    def __init__(self) -> None:
        self._server: subprocess.Popen[str] | None = None

    def run(self, code: str) -> subprocess.CompletedProcess[str]:
        """What became of the program ``code``, with what it printed; -9 is the status of one that was killed."""
        if self._server is None:
            environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            self._server = subprocess.Popen([sys.executable, "-c", SERVER], **pipes, text=True, env=environment)
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            out.touch()
            err.touch()
            self._server.stdin.write(json.dumps({"code": code, "out": str(out), "err": str(err)}) + "\n")
            self._server.stdin.flush()
            answer = self._server.stdout.readline()
            assert answer, "the process that forks programs has ended"
            return subprocess.CompletedProcess(code, int(answer), out.read_text(), err.read_text())

    def close(self) -> None:
        if self._server is not None:
            self._server.communicate()
