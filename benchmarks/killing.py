"""Start a command, kill it at a random moment, repeat it, and say what is not as an undisturbed run leaves it."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from compared_files import contents
from explanans.cli.main import main as explanans
from explanans.utils.temporaries import is_temporary

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
PATIENCE = 300.0
"""Seconds after which a command that should end is said to hang."""
SLOW = 30.0
"""Seconds from which on one undisturbed run has to do."""
LINGERING = 60.0
"""Seconds that workers of what was killed may live on."""

OTHERS = ("pymp-*", ".ses")
"""What others leave in the system's temporary folder: Python its sockets between processes, which do not say whose they
are, so that nobody can clear those of the dead; ONNX Runtime one file, which it uses again."""


@dataclass(frozen=True)
class Command:
    """A command, what it writes, and how often it is killed.

    Attributes:
        line: the command line; the output is called ``{out}``.
        weight: trials in a round of all commands.
        status: when it is done.
        answers: bytes of an answer of a box, where one is asked. What a box said may be lost by a kill, and is not
            asked again beyond ``--calls``; it is compared with a training on the answers that are left.
        most_lost: answers in a batch.
    """

    line: str
    weight: int = 1
    status: int = 0
    answers: int = 0
    most_lost: int = 0


@dataclass
class Place:
    """A command with its output folder, what an undisturbed run leaves there, and how long it takes."""

    command: Command
    out: Path
    log: Path
    expected: dict[str, object]
    seconds: float

    @property
    def scratch(self) -> Path:
        """Where the system's temporary files of the command go."""
        return self.out.with_name("tmp")

    def clear(self) -> None:
        shutil.rmtree(self.out.parent, ignore_errors=True)
        self.out.parent.mkdir()


@dataclass
class Tally:
    kills: int = 0
    early: int = 0
    trials: int = 0
    wrong: list[str] = field(default_factory=list)


def start(place: Place) -> int:
    """Fork a process in a group of its own; its number."""
    process = os.fork()
    if process:
        # Both set it, because nobody knows who is first.
        with contextlib.suppress(OSError):
            os.setpgid(process, process)
        return process
    status = 99
    try:
        os.setpgid(0, 0)
        place.scratch.mkdir(exist_ok=True)
        tempfile.tempdir = os.environ["TMPDIR"] = str(place.scratch)
        # Its records of every cluster, which stay, and are nobody's temporary files.
        os.environ["RAY_TMPDIR"] = str(place.out.parents[1] / "ray")
        with place.log.open("ab") as file:
            for number in (1, 2):
                os.dup2(file.fileno(), number)
        status = explanans([word.replace("{out}", str(place.out)) for word in place.command.line.split()])
        if "ray" in sys.modules:
            sys.modules["ray"].shutdown()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 98
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def wait(process: int, seconds: float) -> int | None:
    """The exit status, below 0 for a signal; None if it has not ended by then."""
    deadline = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            return None
        time.sleep(0.002)


def finished(place: Place) -> int | None:
    """Run the command to its end; None where it hangs."""
    process = start(place)
    status = wait(process, PATIENCE)
    if status is None:
        os.killpg(process, signal.SIGKILL)
        wait(process, PATIENCE)
    return status


def lingering(groups: list[int], folder: Path) -> set[int]:
    """Processes of the groups, and others (Ray's have groups of their own) that have a file below the folder open."""
    found = set()
    for each in Path("/proc").glob("[0-9]*"):
        number = int(each.name)
        try:
            group = int((each / "stat").read_text().rpartition(")")[2].split()[2])
            links = [str(link.readlink()) for link in (each / "fd").iterdir()]
        except OSError:
            continue
        if number != os.getpid() and (group in groups or any(link.startswith(f"{folder}/") for link in links)):
            found.add(number)
    return found


@contextlib.contextmanager
def no_process_left(groups: list[int], folder: Path, wrong: list[str]) -> Iterator[None]:
    """After the block, workers of what was killed may live on for a while, but not for ever."""
    yield
    deadline = time.monotonic() + LINGERING
    while (left := lingering(groups, folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    for process in left:
        wrong.append(f"a process is alive {LINGERING:g} s later")
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def undisturbed(command: Command, out: Path, log: Path) -> Place:
    """Twice: the first run is slower than those that follow, and both have to leave the same."""
    place = Place(command, out, log, {}, 0.0)
    found: list[dict[str, object]] = []
    for _ in range(2):
        place.clear()
        begin = time.monotonic()
        status = finished(place)
        place.seconds = time.monotonic() - begin
        if status != command.status:
            raise SystemExit(f"{command.line}: status {status} without being killed\n{log.read_text()[-2000:]}")
        found.append(contents(out))
        if place.seconds > SLOW:
            break
    place.clear()
    if wrong := differences(found[0], found[-1]):
        raise SystemExit(f"{command.line}: two undisturbed runs differ: {'; '.join(wrong)}")
    place.expected = found[0]
    return place


def trial(place: Place, draw: random.Random, tally: Tally) -> list[str]:
    """Kill once or twice, repeat to the end; what is wrong then, in a line."""
    wrong: list[str] = []
    groups: list[int] = []
    told = []
    attempts = draw.choice((1, 1, 2))
    with no_process_left(groups, place.out.parent.parent, wrong):
        for _ in range(attempts):
            number, whole = draw.choice(SIGNALS), draw.random() < 0.5
            delay = draw.uniform(0, 1.05) * place.seconds
            process = start(place)
            groups.append(process)
            told.append(f"{number.name} to {'group' if whole else 'process'} after {delay:.3f} s")
            if wait(process, delay) is not None:
                tally.early += 1
                continue
            tally.kills += 1
            (os.killpg if whole else os.kill)(process, number)
            if wait(process, PATIENCE) is None:
                wrong.append(f"hangs after {told[-1]}")
                os.killpg(process, signal.SIGKILL)
                wait(process, PATIENCE)
        status = finished(place)
    tally.trials += 1
    if status != place.command.status:
        wrong.append("hangs" if status is None else f"status {status}, not {place.command.status}")
    wrong += faults(place, attempts)
    return [f"{', '.join(told)}: {'; '.join(wrong[:6])}"] if wrong else []


def faults(place: Place, kills: int) -> list[str]:
    """What a repeated run has left that an undisturbed one has not, and the other way round."""
    out = place.out
    # In a folder of its own, since Python and others leave their files in the system's.
    left = [path for path in (*out.parent.iterdir(), *out.rglob("*")) if is_temporary(path.name)]
    system = [path for path in place.scratch.glob("*") if not any(map(path.match, OTHERS))]
    wrong = [f"{path.relative_to(out.parent)} is left" for path in (*left, *system)]
    found = contents(out)
    if place.command.answers and any(found.get(name) != place.expected[name] for name in answers_of(place.expected)):
        wrong += lost_answers(place, found, kills)
        expected = trained_on_answers(place)
    else:
        expected = place.expected
    names = {path.relative_to(out).as_posix() for path in left if path.is_relative_to(out)}
    return wrong + [each for each in differences(expected, found) if each.rpartition(" ")[0] not in names]


def differences(expected: dict[str, object], found: dict[str, object]) -> list[str]:
    told = []
    for name in sorted({*expected, *found}):
        if name not in found or name not in expected:
            told.append(f"{name} {'missing' if name not in found else 'new'}")
        elif expected[name] != found[name]:
            told.append(f"{name} differs")
    return told


def answers_of(files: dict[str, object]) -> list[str]:
    return [name for name in files if name.startswith("answers/")]


def lost_answers(place: Place, found: dict[str, object], kills: int) -> list[str]:
    """What is wrong with the answers that a box gave to a command that was killed: no more than a batch may be lost by
    each kill, and those that are left are the first ones."""
    wrong, lost = [], 0
    for name in answers_of(place.expected):
        if name.endswith(".f32"):
            whole, part = place.expected[name], found.get(name)
            assert isinstance(whole, bytes)
            if not isinstance(part, bytes) or not whole.startswith(part):
                wrong.append(f"{name} differs")
            else:
                lost += (len(whole) - len(part)) // place.command.answers
    if lost > kills * place.command.most_lost:
        wrong.append(f"{lost} answers lost")
    return wrong


def trained_on_answers(place: Place) -> dict[str, object]:
    """What an undisturbed run leaves that begins with the answers of the killed one, in the same place: checkpoints
    know where they lie."""
    killed = place.out.with_name("killed")
    place.out.rename(killed)
    shutil.copytree(killed / "answers", place.out / "answers")
    status = finished(place)
    if status != place.command.status:
        return {"status": status}
    return contents(place.out)
