"""Random damage to everything that is read: what comes out is right or an InputError, quickly and in little memory.

    python benchmarks/fuzz.py [--minutes 10] [--kinds pictures archives …] [--seed 0]

Kinds: bytes of pictures, archives, tables, configurations, JSON records of saved folders, command lines, names with
settings. Nothing is trained or fetched. Each distinct failure is printed once with the smallest input that shows it,
then the number of inputs per kind and by how much the memory grew; the status is 1 if anything failed. The suite runs
the same kinds with a few inputs (tests/benchmarks/test_fuzz.py).
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib
import io
import json
import os
import resource
import shlex
import signal
import sys
import tarfile
import tempfile
import time
import traceback
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from PIL import Image

from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.sources import Source, build, named_source
from explanans.cli.commands import COMMANDS
from explanans.cli.main import main as explanans
from explanans.data import open_dataset
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.images.listing import list_items
from explanans.images.opening import Opener
from explanans.images.preprocessing import Preprocessing
from explanans.images.reading import ImageError, read_image
from explanans.utils.text import shown

SECONDS = 30
GROWTH_MB = 300
LONGEST = 2_000
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP")
RUN = ("explain", "report", "card", "recipes")
"""Commands that do their work here; of the others only the command line is read."""


class Place:
    """A folder with small things of every kind, to be damaged."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("photos", "sorted/cat", "sorted/dog"):
            (folder / name).mkdir(parents=True)
        for name in ("photos/1.png", "photos/2.png", "sorted/cat/1.png", "sorted/dog/1.png"):
            (folder / name).write_bytes(picture("PNG"))
        torch.manual_seed(0)
        source = Source("explanans:small_resnet", {"num_classes": 2, "widths": [4, 8]})
        explanandum = Explanandum(
            build(source),
            classes=["cat", "dog"],
            activation="sigmoid",
            preprocessing=Preprocessing(16, (0.5,) * 3, (0.5,) * 3),
            source=source,
        )
        Explainer(explanandum, "compact").save_pretrained(folder / "explainer")
        explanandum.save(folder / "saved")
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            for form in ("folders", "parquet"):
                explanans(self.explain(form))

    def explain(self, form: str) -> list[str]:
        out = ["--out", str(self.folder / form), "--format", form, "--no_receipts", "--top_k=1"]
        return [
            "explain",
            str(self.folder / "explainer"),
            str(self.folder / "photos"),
            *out,
            "--workers=0",
            "--threads=1",
        ]


def picture(kind: str) -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 14, 3), np.uint8)).save(content, kind)
    return content.getvalue()


@st.composite
def mutated(draw: Callable[..., Any], wholes: list[bytes]) -> bytes:
    """One of ``wholes`` with a few bytes changed, cut out, doubled or put in from another."""
    content = bytearray(draw(st.sampled_from(wholes)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(content) - 1)))
        count = draw(st.integers(1, 16))
        how = draw(st.sampled_from(("change", "cut", "end", "double", "splice")))
        if how == "change":
            content[place : place + count] = draw(st.binary(min_size=1, max_size=count))
        elif how == "cut":
            del content[place : place + count]
        elif how == "end":
            del content[place:]
        elif how == "double":
            content[place:place] = content[place : place + count]
        else:
            other = draw(st.sampled_from(wholes))
            content[place:] = other[min(place, len(other)) :]
    return bytes(content)


VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(),
        st.text(max_size=12),
        st.sampled_from(["", "../x", "/etc/passwd", "os:system", "nan", "\x1b[31m", "\0", "\u202e", 0, -1, 1e308]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
    max_leaves=5,
)


@st.composite
def with_another_value(draw: Callable[..., Any], whole: Any) -> Any:
    """A JSON record with one or two entries changed or taken out."""
    content = json.loads(json.dumps(whole))
    for _ in range(draw(st.integers(1, 2))):
        inner, key = content, None
        while isinstance(inner, dict | list) and inner and (key is None or draw(st.booleans())):
            keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
            outer, key = inner, draw(st.sampled_from(keys))
            inner = outer[key]
        if key is None:
            return draw(VALUES)
        if draw(st.integers(0, 4)) == 0:
            del outer[key]
        else:
            outer[key] = draw(VALUES)
    return content


Use = Callable[[Any], None]
Kind = tuple[st.SearchStrategy[Any], Use]


def pictures(place: Place) -> Kind:
    return mutated([picture(kind) for kind in FORMATS]), lambda content: _ignore(read_image(content, fit=(16, 16)))


def archives(place: Place) -> Kind:
    folder = place.folder / "archives"
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for name in ("1.png", "deep/2.jpg"):
            packed.writestr(name, picture("PNG"))
    for name in ("a.tar", "a.tar.gz"):
        with tarfile.open(folder / name, "w:gz" if name.endswith("gz") else "w") as packed_tar:
            packed_tar.add(place.folder / "photos", "photos")
    wholes = {name: (folder / name).read_bytes() for name in ("a.zip", "a.tar", "a.tar.gz")}

    def use(case: tuple[str, bytes]) -> None:
        file = folder / f"damaged{case[0][1:]}"
        file.write_bytes(case[1])
        opener = Opener()
        for item in list_items([file]):
            with contextlib.suppress(ImageError):
                opener(item, (16, 16))

    cases = [st.tuples(st.just(name), mutated([whole])) for name, whole in wholes.items()]
    return st.one_of(cases), use


def tables(place: Place) -> Kind:
    folder = place.folder / "tables"
    folder.mkdir(exist_ok=True)
    image = str(place.folder / "photos" / "1.png")
    text = f'image,labels,split\n{image},cat,train\n"{image}","cat;dog",val\n'.encode()
    pq.write_table(pa.table({"image": [image, image], "labels": ["cat", "dog"]}), folder / "a.parquet")
    pq.write_table(pa.table({"bytes": [picture("PNG"), picture("JPEG")]}), folder / "b.parquet")
    wholes = {".csv": [text], ".parquet": [(folder / name).read_bytes() for name in ("a.parquet", "b.parquet")]}

    def use(case: tuple[str, bytes]) -> None:
        file = folder / f"damaged{case[0]}"
        file.write_bytes(case[1])
        _holds(lambda: list(list_items([file])))
        data = open_dataset(f"table:{file}", "all", preprocessing=Preprocessing(16, (0.5,) * 3, (0.5,) * 3))
        _ignore(data[0])

    return st.one_of([st.tuples(st.just(suffix), mutated(each)) for suffix, each in wholes.items()]), use


def configurations(place: Place) -> Kind:
    file = place.folder / "damaged.yaml"
    whole = b"run: {max_epochs: 3, seed: 1}\noptimizer:\n  lr: 1e-3\nobjective_options: {area_weight: 1}\n"
    record = {"run": {"max_epochs": 3, "precision": "auto"}, "optimizer": {"lr": 0.1}, "augment": "flip", "out": "x"}

    def use(content: bytes) -> None:
        file.write_bytes(content)
        command_line(["fit", str(place.folder / "saved"), "folder:sorted", "--config", str(file)])

    return st.one_of(mutated([whole]), with_another_value(record).map(lambda each: json.dumps(each).encode())), use


def records(place: Place) -> Kind:
    def loaded(folder: Path) -> None:
        Explainer.from_pretrained(folder)

    uses: dict[str, Callable[[], None]] = {
        "explainer/config.json": lambda: loaded(place.folder / "explainer"),
        "explainer/classifier/explanandum.json": lambda: loaded(place.folder / "explainer"),
        "folders/index.json": lambda: command_line(place.explain("folders")),
        "parquet/job.json": lambda: command_line(place.explain("parquet")),
    }
    wholes = {name: json.loads((place.folder / name).read_text()) for name in uses}

    def use(case: tuple[str, Any]) -> None:
        name, content = case
        file = place.folder / name
        file.write_text(json.dumps(content))
        try:
            uses[name]()
        finally:
            file.write_text(json.dumps(wholes[name]))

    return st.one_of([st.tuples(st.just(name), with_another_value(each)) for name, each in wholes.items()]), use


WORDS = [
    "",
    "x",
    "0",
    "-1",
    "1e30",
    "nan",
    "inf",
    "null",
    "true",
    "[]",
    "{}",
    "{a: 1}",
    "a,b",
    "photos",
    "saved",
    "explainer",
]
WORDS += [
    "explainer?x=1",
    "folder:sorted",
    "nowhere.zip",
    "~nobody/x",
    "s3:/x",
    "..",
    "--",
    "-",
    "--help",
    "\x1b[31m",
    "a\0b",
]


def lines(place: Place) -> Kind:
    names = []
    for command in COMMANDS:
        module: Any = importlib.import_module(COMMANDS[command].module)
        from explanans.cli.options import options_of

        options = [f"--{each.name}" for each in options_of(getattr(module, "PARTS", ()), module.run)]
        names.append((command, [*options, "--config", "--run.seed", "--methods.a.b", "--print_config"]))

    @st.composite
    def line(draw: Callable[..., Any]) -> list[str]:
        command, options = draw(st.sampled_from(names))
        words = draw(st.lists(st.sampled_from(WORDS), max_size=3))
        for _ in range(draw(st.integers(0, 3))):
            option = draw(st.one_of(st.sampled_from(options), st.text(max_size=8).map(lambda text: f"--{text}")))
            value = draw(st.one_of(st.sampled_from(WORDS), st.text(max_size=10)))
            words += draw(st.sampled_from([[option, value], [f"{option}={value}"], [option], [f"{option}+", value]]))
        # Results go where nothing else is.
        kept = [word for word in words if not word.startswith(("--out", "--ray", "--workers", "--hub"))]
        return [*command.split(), *kept]

    return line(), command_line


def names(place: Place) -> Kind:
    schemes = ["timm", "torchvision", "explanans", "folder", "table", "scenes", "voc", "trunk", "onnx", "x"]
    pieces = st.one_of(
        st.sampled_from(["small_resnet", "resnet18", "sorted", "width=64", "num_classes=2", "&", "?", "="]),
        st.text(max_size=6),
    )

    def use(spec: str) -> None:
        _holds(lambda: named_source(spec, {}))
        open_dataset(spec, "all", preprocessing=Preprocessing(16, (0.5,) * 3, (0.5,) * 3))

    joined = st.lists(pieces, max_size=6).map("".join)
    return st.tuples(st.sampled_from(schemes), joined).map(lambda each: f"{each[0]}:{each[1]}"), use


KINDS: dict[str, Callable[[Place], Kind]] = {
    **{"pictures": pictures, "archives": archives, "tables": tables, "configurations": configurations},
    **{"records": records, "lines": lines, "names": names},
}


def _ignore(result: object) -> None:
    """What came out may be anything that is no exception."""


def _holds(work: Callable[[], object]) -> None:
    """An InputError with a message that can be shown."""
    try:
        work()
    except InputError as error:
        message = shown(error)
        assert message, "an empty message"
        assert len(message) < LONGEST, f"a message of {len(message)} characters"


def command_line(words: list[str]) -> None:
    """The command reads its options; it does its work where that is quick and fetches nothing."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        for name, command in COMMANDS.items():
            if name not in RUN:
                stack.enter_context(_idle(importlib.import_module(command.module)))
        status = explanans(words)
    assert status in (0, 1, 2), f"status {status}"
    assert "Traceback" not in err.getvalue()
    assert status == 0 or err.getvalue().strip() or out.getvalue().strip(), "no message"
    assert len(err.getvalue()) < 2 * LONGEST, "a message too long"


@contextlib.contextmanager
def _idle(module: Any) -> Iterator[None]:
    run = module.run

    @functools.wraps(run)
    def nothing(*arguments: Any, **options: Any) -> int:
        return 0

    module.run = nothing
    try:
        yield
    finally:
        module.run = run


@contextlib.contextmanager
def _in_bounds() -> Iterator[None]:
    """At most ``SECONDS``, and ``GROWTH_MB`` more memory than the process ever had."""

    def stop(*_: Any) -> None:
        raise TimeoutError(f"more than {SECONDS} seconds")

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    handler = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < GROWTH_MB, f"{grown:.0f} MB more memory"


def fuzz(kind: Kind, examples: int, seed: int | None = None) -> int:
    """Try so many inputs, always the same without a seed; raises what the smallest one that fails makes. How many."""
    strategy, use = kind
    tried = 0

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=seed is None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(strategy)
    def hold(case: Any) -> None:
        nonlocal tried
        tried += 1
        with warnings.catch_warnings(), _in_bounds():
            warnings.simplefilter("ignore")
            _holds(lambda: use(case))

    (hold if seed is None else seeded(seed)(hold))()
    return tried


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--examples", type=int, default=100, help="inputs of a kind before the next one's turn")
    options = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    failures: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        place = Place(Path(folder))
        chosen = {name: KINDS[name](place) for name in options.kinds}
        tried = dict.fromkeys(chosen, 0)
        begin, seed = time.monotonic(), options.seed
        start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        while time.monotonic() < begin + 60 * options.minutes:
            for name, kind in chosen.items():
                try:
                    tried[name] += fuzz(kind, options.examples, seed)
                except Exception as error:
                    frames = [f for f in traceback.extract_tb(error.__traceback__) if "/explanans/" in f.filename]
                    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "fuzz"
                    key = f"{name}: {type(error).__name__} at {where}"
                    if key not in failures:
                        failures[key] = f"{error}\n" + "\n".join(getattr(error, "__notes__", []))
                        print(f"{key}: {failures[key]}", flush=True)
            seed += 1
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) / 1024
    for name, count in tried.items():
        print(f"{name}: {count:,} inputs")
    print(f"{len(failures)} distinct failures, {grown:.0f} MB more memory, {shlex.join(sys.argv)}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
