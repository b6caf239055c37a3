"""What the fuzzer damages: small things of every kind that is read, and how each is used."""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from hypothesis import strategies as st
from PIL import Image

from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.sources import Source, build, named_source
from explanans.cli.main import main as explanans
from explanans.data import open_dataset
from explanans.explainers.explainer import Explainer
from explanans.images.listing import list_items
from explanans.images.opening import Opener
from explanans.images.preprocessing import Preprocessing
from explanans.images.reading import ImageError, read_image
from fuzz_commands import command_lines, holds, run_line
from fuzz_damage import mutated, with_another_value

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP")


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


Use = Callable[[Any], None]
Kind = tuple[st.SearchStrategy[Any], Use]


def pictures(place: Place) -> Kind:
    return mutated([picture(kind) for kind in FORMATS]), lambda content: ignore(read_image(content, fit=(16, 16)))


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
        holds(lambda: list(list_items([file])))
        data = open_dataset(f"table:{file}", "all", preprocessing=Preprocessing(16, (0.5,) * 3, (0.5,) * 3))
        ignore(data[0])

    return st.one_of([st.tuples(st.just(suffix), mutated(each)) for suffix, each in wholes.items()]), use


def configurations(place: Place) -> Kind:
    file = place.folder / "damaged.yaml"
    whole = b"run: {max_epochs: 3, seed: 1}\noptimizer:\n  lr: 1e-3\nobjective_options: {area_weight: 1}\n"
    record = {"run": {"max_epochs": 3, "precision": "auto"}, "optimizer": {"lr": 0.1}, "augment": "flip", "out": "x"}

    def use(content: bytes) -> None:
        file.write_bytes(content)
        run_line(["fit", str(place.folder / "saved"), "folder:sorted", "--config", str(file)])

    return st.one_of(mutated([whole]), with_another_value(record).map(lambda each: json.dumps(each).encode())), use


def records(place: Place) -> Kind:
    def loaded(folder: Path) -> None:
        Explainer.from_pretrained(folder)

    uses: dict[str, Callable[[], None]] = {
        "explainer/config.json": lambda: loaded(place.folder / "explainer"),
        "explainer/classifier/explanandum.json": lambda: loaded(place.folder / "explainer"),
        "folders/index.json": lambda: run_line(place.explain("folders")),
        "parquet/job.json": lambda: run_line(place.explain("parquet")),
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


def lines(place: Place) -> Kind:
    return command_lines(), run_line


def names(place: Place) -> Kind:
    schemes = ["timm", "torchvision", "explanans", "folder", "table", "scenes", "voc", "trunk", "onnx", "x"]
    pieces = st.one_of(
        st.sampled_from(["small_resnet", "resnet18", "sorted", "width=64", "num_classes=2", "&", "?", "="]),
        st.text(max_size=6),
    )

    def use(spec: str) -> None:
        holds(lambda: named_source(spec, {}))
        open_dataset(spec, "all", preprocessing=Preprocessing(16, (0.5,) * 3, (0.5,) * 3))

    joined = st.lists(pieces, max_size=6).map("".join)
    return st.tuples(st.sampled_from(schemes), joined).map(lambda each: f"{each[0]}:{each[1]}"), use


def ignore(result: object) -> None:
    """What came out may be anything that is no exception."""


KINDS: dict[str, Callable[[Place], Kind]] = {
    **{"pictures": pictures, "archives": archives, "tables": tables, "configurations": configurations},
    **{"records": records, "lines": lines, "names": names},
}
