"""Run a benchmark: every method on the same images, batch by batch, each batch kept before the next begins."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import nn

from explanans import metrics
from explanans.benchmark.batches import MASK_GROUPS, WholeAnswers, read_pictures, rows_of, scored
from explanans.benchmark.calling import Called
from explanans.benchmark.columns import CURVE_THRESHOLDS, SCHEMA
from explanans.benchmark.costs import counted, measure
from explanans.benchmark.folder import Folder
from explanans.benchmark.plan import Plan, Station, make_plan, record_of
from explanans.benchmark.progress import Timetable
from explanans.benchmark.results import COSTS, FACTS, ROWS, SANITY, SCORES, THRESHOLDS, Results
from explanans.benchmark.robustness import cascade
from explanans.benchmark.scoring import Pictures, Scorer, Scores, masks_of
from explanans.benchmark.settings import BenchmarkSettings
from explanans.benchmark.stability import sensitivity
from explanans.benchmark.truth import REFERENCES
from explanans.data import LabelledImages
from explanans.utils.modes import evaluating
from explanans.utils.records import read_json, read_table

THRESHOLD_SCHEMA = pa.schema(
    [
        ("image", pa.string()),
        ("index", pa.int32()),
        ("normalisation", pa.string()),
        ("status", pa.string()),
        ("error", pa.string()),
        ("iou_curve", pa.list_(pa.float64())),
    ]
)
"""Of the rows that best thresholds are chosen from."""

Work = Callable[[int, Sequence[int]], tuple[list[dict[str, Any]], dict[str, Any]]]
"""(number of the part, positions of its images) → its rows, and facts on how they were made."""


def run_benchmark(settings: BenchmarkSettings, out: str | Path, timetable: Timetable | None = None) -> Results:
    """Measure every method for every classifier and write what is found into ``out``; see docs/benchmark-protocol.md.

    Whatever stops the run, the next one with the same settings goes on after the last batch that was finished, and ends
    in the same numbers: draws follow from the seed, the method and the image. A method that fails on an image is not
    stopped by it; the image is listed with the message and counts with the worst values.

    Args:
        settings: what to do.
        out: the result folder, a new one or that of an earlier run.
        timetable: is told what there is to do and what is done.

    Raises:
        InputError: settings, data, classifiers or methods that cannot be used, or a folder of another benchmark.
    """
    plan = make_plan(settings)
    folder = Folder(out)
    with folder.claimed(record_of(plan)), torch.no_grad():
        _Run(plan, folder, timetable or Timetable()).everything()
    return Results.open(out)


class _Run:
    def __init__(self, plan: Plan, folder: Folder, timetable: Timetable) -> None:
        self.plan = plan
        self.settings = plan.settings
        self.folder = folder
        self.timetable = timetable
        self.groups = {*self.settings.metrics, *self.settings.subset_metrics}
        self.whole = {station.name: WholeAnswers(station.explanandum) for station in plan.stations}

    def everything(self) -> None:
        pairs = [(station, name) for station in self.plan.stations for name in self.settings.methods]
        for station, name in pairs:
            self._announce(station, name, None)
        # All costs first: then the time left is known for the whole matrix, and no score has warmed anything up.
        for station, name in pairs:
            with self._evaluating(station, name):
                self._announce(station, name, self._cost(station, name))
        for station, name in pairs:
            with self._evaluating(station, name):
                if station.held_out is not None and self.plan.held_out_images(name):
                    self._thresholds(station, name, station.held_out)
                self._scores(station, name)
                if self._asks_sanity(name):
                    self._sanity(station, name)

    def _evaluating(self, station: Station, name: str) -> ExitStack:
        stack = ExitStack()
        for module in (station.explanandum, station.callers[name].method):
            if isinstance(module, nn.Module):
                stack.enter_context(evaluating(module))
        return stack

    def _announce(self, station: Station, name: str, seconds: float | None) -> None:
        """Tell the timetable what there is to do for a method, at so many seconds per image."""
        size = self.settings.batch(name)
        for kind, images in ((THRESHOLDS, self.plan.held_out_images(name)), (SCORES, self.plan.images(name))):
            left = 0
            for number, start in enumerate(range(0, len(images), size)):
                if not self.folder.part(kind, station.name, name, number).is_file():
                    left += len(images[start : start + size])
            self.timetable.plan(_job(station, name, kind), left, seconds)
        if self._asks_sanity(name):
            done = self.folder.json_path(SANITY, station.name, name).is_file()
            maps = 0 if done else (1 + self.settings.sanity_stages) * len(self.plan.sample)
            self.timetable.plan(_job(station, name, SANITY), maps, seconds)

    def _cost(self, station: Station, name: str) -> float | None:
        """Measure once; seconds per image for the labels' maps, None where the method failed or costs nothing."""
        if (self.settings.methods[name].method or name) in REFERENCES:
            return None
        path = self.folder.json_path(COSTS, station.name, name)
        if path.is_file():
            cost = read_json(path, FACTS)
        else:
            indices = self.plan.sample[: self.settings.cost_images]
            pictures = read_pictures(station.dataset, indices, self.plan.device)
            cost = measure(
                station.callers[name],
                station.explanandum.module,
                pictures.images,
                pictures.labels,
                indices,
                batch_size=self.settings.cost_batch_size,
                seconds=self.settings.cost_seconds,
            )
            self.folder.write_json(COSTS, station.name, name, cost)
        milliseconds = cost.get("ms_per_image")
        return None if milliseconds is None else milliseconds / 1000

    def _thresholds(self, station: Station, name: str, held_out: LabelledImages) -> None:
        """Choose the best threshold of each normalisation on the other split."""
        scorer = self._scorer(station)
        steps = self.settings.normalisations(name)

        def work(number: int, chunk: Sequence[int]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
            pictures = read_pictures(held_out, chunk, self.plan.device)
            # Other draws than on the images that are measured.
            called = station.callers[name](pictures.images, pictures.labels, [-1 - index for index in chunk])
            everyone = {"segmentation": torch.ones(len(chunk), dtype=torch.bool, device=self.plan.device)}
            found = {step: scored(scorer, pictures, called, step, everyone) for step in steps}
            rows = rows_of(held_out, pictures, found, {})
            return [{column: row[column] for column in THRESHOLD_SCHEMA.names} for row in rows], {}

        table = self._parts(station, name, THRESHOLDS, self.plan.held_out_images(name), THRESHOLD_SCHEMA, work)
        chosen = {}
        for step in steps:
            curves = table.filter(pc.equal(table["normalisation"], step))["iou_curve"].to_pylist()
            chosen[step] = metrics.best_threshold(torch.tensor(curves, dtype=torch.float64), CURVE_THRESHOLDS)
        self.folder.record["thresholds"].setdefault(station.name, {})[name] = chosen
        self.folder.write_record()

    def _scores(self, station: Station, name: str) -> None:
        scorer = self._scorer(station)
        steps = self.settings.normalisations(name)
        thresholds = self.folder.record["thresholds"].get(station.name, {}).get(name, {})

        def work(number: int, chunk: Sequence[int]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
            whole = self.whole[station.name] if "kept" in self.groups else None
            pictures = read_pictures(station.dataset, chunk, self.plan.device, whole)
            groups = self._groups(name, chunk)
            asked = pictures.labels
            if "specificity" in groups:
                asked = asked | groups["specificity"][:, None]
            begin = time.perf_counter()
            called = station.callers[name](pictures.images, asked, chunk)
            mapped = time.perf_counter()
            found: dict[str, tuple[Scores, list[str]]] = {}
            with counted(station.explanandum.module) as passes:
                for step in steps:
                    earlier = found[steps[0]][0] if found else None
                    found[step] = scored(scorer, pictures, called, step, groups, thresholds.get(step), earlier)
            done = time.perf_counter()
            self._keep_maps(station, name, number, pictures, called, steps[0])
            facts = {
                "images": len(chunk),
                "seconds_maps": mapped - begin,
                "seconds_scoring": done - mapped,
                "forwards_scoring": passes.forwards,
            }
            return rows_of(station.dataset, pictures, found, self._extra(station, name, pictures, steps[0])), facts

        self._parts(station, name, SCORES, self.plan.images(name), SCHEMA, work)
        self.folder.join_maps(station.name, name)

    def _groups(self, name: str, chunk: Sequence[int]) -> dict[str, torch.Tensor]:
        """The groups of scores that masks are asked for, each with the images of a batch that it is computed on."""
        subset = set(self.plan.subset)
        inside = torch.tensor([index in subset for index in chunk], device=self.plan.device)
        one_by_one = self.settings.methods[name].classes == "labels"
        wanted = self.groups - set(self.settings.methods[name].without)
        return {
            group: torch.ones_like(inside) if group in self.settings.metrics else inside
            for group in MASK_GROUPS
            if group in wanted and not (group == "specificity" and one_by_one)
        }

    def _extra(self, station: Station, name: str, pictures: Pictures, step: str) -> dict[str, dict[int, float]]:
        if "sensitivity" not in self.groups - set(self.settings.methods[name].without):
            return {}
        sample = set(self.plan.sample)
        places = [n for n, index in enumerate(pictures.indices) if index in sample]
        samples = self.settings.sensitivity_samples
        return {"max_sensitivity": sensitivity(station.callers[name], pictures, places, step, samples)}

    def _keep_maps(
        self, station: Station, name: str, number: int, pictures: Pictures, called: Called, step: str
    ) -> None:
        wanted = [n for n, index in enumerate(pictures.indices) if index in set(self.plan.kept)]
        if not wanted:
            return
        masks, _ = masks_of(called.maps[wanted], step)
        values = (masks.float().nan_to_num(0) * 255).round().to(torch.uint8).cpu().numpy()
        names = [station.dataset.names[pictures.indices[n]] for n in wanted]
        self.folder.write_maps(station.name, name, number, dict(zip(names, values, strict=True)))

    def _sanity(self, station: Station, name: str) -> None:
        if self.folder.json_path(SANITY, station.name, name).is_file():
            return
        each = self.settings.methods[name]
        begin = time.perf_counter()
        found = cascade(
            station.callers[name],
            station.explanandum,
            each.method or name,
            each.arguments(station.name),
            read_pictures(station.dataset, self.plan.sample, self.plan.device),
            self.settings.normalisations(name)[0],
            stages=self.settings.sanity_stages,
            seed=self.settings.seed,
        )
        images = [station.dataset.names[index] for index in self.plan.sample]
        self.folder.write_json(SANITY, station.name, name, {"images": images, **found})
        maps = (1 + self.settings.sanity_stages) * len(images)
        self.timetable.advance(_job(station, name, SANITY), maps, time.perf_counter() - begin)

    def _asks_sanity(self, name: str) -> bool:
        each = self.settings.methods[name]
        return "sanity" in self.groups - set(each.without) and (each.method or name) not in REFERENCES

    def _parts(
        self, station: Station, name: str, kind: str, images: Sequence[int], schema: pa.Schema, work: Work
    ) -> pa.Table:
        """Do the parts that are not there yet; all of them, read back."""
        size = self.settings.batch(name)
        tables = []
        for number, start in enumerate(range(0, len(images), size)):
            path = self.folder.part(kind, station.name, name, number)
            chunk = images[start : start + size]
            if not path.is_file():
                begin = time.perf_counter()
                rows, facts = work(number, chunk)
                self.folder.write_part(path, rows, schema, facts)
                self.timetable.advance(_job(station, name, kind), len(chunk), time.perf_counter() - begin)
            tables.append(read_table(path, ROWS, schema))
        return pa.concat_tables(tables)

    def _scorer(self, station: Station) -> Scorer:
        settings = self.settings
        return Scorer(
            station.explanandum, fill=settings.fill, batch_size=settings.classifier_batch_size, seed=settings.seed
        )


def _job(station: Station, name: str, kind: str) -> str:
    return f"{station.name} {name} {kind}"
