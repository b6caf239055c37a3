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
from explanans.benchmark.batches import WholeAnswers, read_pictures, rows_of, scored
from explanans.benchmark.calling import HELD_OUT, Called
from explanans.benchmark.columns import CURVE_THRESHOLDS, SCHEMA
from explanans.benchmark.costs import counted, measure
from explanans.benchmark.grids import Grids, pointed
from explanans.benchmark.known_pictures import Pictures
from explanans.benchmark.plan import Plan, Task, make_plan
from explanans.benchmark.record import record_of
from explanans.benchmark.results import Results
from explanans.benchmark.results_folder import Folder
from explanans.benchmark.robustness import cascade, sensitivity
from explanans.benchmark.saved_files import COSTS, ROWS, SANITY, SCORES, THRESHOLDS, read_cost, read_rows
from explanans.benchmark.scoring import Scores, masks_of
from explanans.benchmark.settings import BenchmarkSettings
from explanans.benchmark.timetable import Timetable
from explanans.utils.modes import evaluating

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

NEED_ANSWERS = {"kept", "predicted", "top_area"}
"""Groups of scores that compare with the classifier's answer to the whole image."""

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
    with folder.claimed(record_of(settings, plan)), torch.no_grad():
        _Run(plan, folder, timetable or Timetable()).everything()
    return Results.open(out)


class _Run:
    def __init__(self, plan: Plan, folder: Folder, timetable: Timetable) -> None:
        self.plan = plan
        self.folder = folder
        self.timetable = timetable
        self.whole = {station.name: WholeAnswers(station.explanandum) for station in plan.stations}
        self.grids = {
            station.name: Grids(
                station.dataset, self.whole[station.name], plan.device, plan.seed, station.scorer.background
            )
            for station in plan.stations
        }

    def everything(self) -> None:
        for task in self.plan.tasks:
            self._announce(task, None)
        # All costs first: then the time left is known for the whole matrix, and no score has warmed anything up.
        for task in self.plan.tasks:
            with _evaluating(task):
                self._announce(task, self._cost(task))
        for task in self.plan.tasks:
            with _evaluating(task):
                self._thresholds(task)
                self._scores(task)
                self._sanity(task)

    def _announce(self, task: Task, seconds: float | None) -> None:
        """Tell the timetable what there is to do for a method, at so many seconds per image."""
        for kind, images in ((THRESHOLDS, task.held_out_images), (SCORES, task.images)):
            left = 0
            for number, start in enumerate(range(0, len(images), task.batch_size)):
                if not self.folder.part(kind, task.station.name, task.name, number).is_file():
                    left += len(images[start : start + task.batch_size])
            self.timetable.plan(_job(task, kind), left, seconds, f"{task.station.name} {kind}")
        if task.sanity_images:
            done = self.folder.json_path(SANITY, task.station.name, task.name).is_file()
            maps = 0 if done else (1 + self.plan.sanity_stages) * len(task.sanity_images)
            self.timetable.plan(_job(task, SANITY), maps, seconds, f"{task.station.name} {SANITY}")

    def _cost(self, task: Task) -> float | None:
        """Measure once; seconds per image for the labels' maps, None where the method failed or costs nothing."""
        if not task.cost_images:
            return None
        station = task.station
        path = self.folder.json_path(COSTS, station.name, task.name)
        if path.is_file():
            cost = read_cost(path)
        else:
            self.timetable.begin(_job(task, COSTS))
            pictures = read_pictures(station.dataset, task.cost_images, self.plan.device)
            cost = measure(
                task.caller,
                station.explanandum.module,
                pictures.images,
                pictures.labels,
                task.cost_images,
                batch_size=self.plan.cost_batch_size,
                seconds=self.plan.cost_seconds,
            )
            self.folder.write_json(COSTS, station.name, task.name, cost)
        milliseconds = cost.get("ms_per_image")
        return None if milliseconds is None else milliseconds / 1000

    def _thresholds(self, task: Task) -> None:
        """Choose the best threshold of each normalisation on the other split."""
        held_out = task.station.held_out
        if held_out is None or not task.held_out_images:
            return

        def work(number: int, chunk: Sequence[int]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
            pictures = read_pictures(held_out, chunk, self.plan.device)
            # Other draws than on the images that are measured.
            called = task.caller(pictures.images, pictures.labels, chunk, HELD_OUT)
            everyone = {"segmentation": torch.ones(len(chunk), dtype=torch.bool, device=self.plan.device)}
            found = {
                step: scored(task.station.scorer, pictures, called, step, everyone) for step in task.normalisations
            }
            rows = rows_of(held_out, pictures, found, {})
            return [{column: row[column] for column in THRESHOLD_SCHEMA.names} for row in rows], {}

        table = self._parts(task, THRESHOLDS, task.held_out_images, THRESHOLD_SCHEMA, work)
        chosen = {}
        for step in task.normalisations:
            curves = table.filter(pc.equal(table["normalisation"], step))["iou_curve"].to_pylist()
            chosen[step] = metrics.best_threshold(torch.tensor(curves, dtype=torch.float64), CURVE_THRESHOLDS)
        self.folder.record["thresholds"].setdefault(task.station.name, {})[task.name] = chosen
        self.folder.write_record()

    def _scores(self, task: Task) -> None:
        station, steps = task.station, task.normalisations
        thresholds = self.folder.record["thresholds"].get(station.name, {}).get(task.name, {})

        def work(number: int, chunk: Sequence[int]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
            whole = self.whole[station.name] if NEED_ANSWERS & task.groups.keys() else None
            pictures = read_pictures(station.dataset, chunk, self.plan.device, whole)
            groups = {
                group: torch.tensor([index in where for index in chunk], device=self.plan.device)
                for group, where in task.groups.items()
            }
            asked = pictures.labels
            if "specificity" in groups:
                asked = asked | groups["specificity"][:, None]
            if "predicted" in groups:
                asked = asked | (station.scorer.named(pictures) & groups["predicted"][:, None])
            begin = time.perf_counter()
            called = task.caller(pictures.images, asked, chunk)
            mapped = time.perf_counter()
            found: dict[str, tuple[Scores, list[str]]] = {}
            with counted(station.explanandum.module) as passes:
                for step in steps:
                    earlier = found[steps[0]][0] if found else None
                    found[step] = scored(station.scorer, pictures, called, step, groups, thresholds.get(step), earlier)
            done = time.perf_counter()
            self._keep_maps(task, number, pictures, called)
            facts = {
                "images": len(chunk),
                "seconds_maps": mapped - begin,
                "seconds_scoring": done - mapped,
                "forwards_scoring": passes.forwards,
            }
            return rows_of(station.dataset, pictures, found, self._asked_again(task, pictures)), facts

        self._parts(task, SCORES, task.images, SCHEMA, work)
        self.folder.join_maps(station.name, task.name)

    def _asked_again(self, task: Task, pictures: Pictures) -> dict[str, dict[int, float]]:
        """Scores for which the method is asked about other pictures."""
        found, step = {}, task.normalisations[0]
        if task.sensitivity_images:
            places = [n for n, index in enumerate(pictures.indices) if index in task.sensitivity_images]
            found["max_sensitivity"] = sensitivity(task.caller, pictures, places, step, self.plan.sensitivity_samples)
        if task.grid_images:
            places = [n for n, index in enumerate(pictures.indices) if index in task.grid_images]
            shares = pointed(task.caller, self.grids[task.station.name], [pictures.indices[n] for n in places], step)
            found["grid_pointing"] = {places[n]: share for n, share in shares.items()}
        return found

    def _keep_maps(self, task: Task, number: int, pictures: Pictures, called: Called) -> None:
        wanted = [n for n, index in enumerate(pictures.indices) if index in self.plan.kept]
        if not wanted:
            return
        masks, _ = masks_of(called.maps[wanted], task.normalisations[0])
        values = (masks.float().nan_to_num(0) * 255).round().to(torch.uint8).cpu()
        if called.columns is not None:
            wide = values.new_zeros(len(values), pictures.labels.shape[1], *values.shape[2:])
            values = wide.index_copy_(1, called.columns.cpu(), values)
        names = [task.station.dataset.names[pictures.indices[n]] for n in wanted]
        self.folder.write_maps(task.station.name, task.name, number, dict(zip(names, values.numpy(), strict=True)))

    def _sanity(self, task: Task) -> None:
        station = task.station
        if not task.sanity_images or self.folder.json_path(SANITY, station.name, task.name).is_file():
            return
        self.timetable.begin(_job(task, SANITY))
        begin = time.perf_counter()
        found = cascade(
            task.caller,
            station.explanandum,
            task.make,
            read_pictures(station.dataset, task.sanity_images, self.plan.device),
            task.normalisations[0],
            stages=self.plan.sanity_stages,
            seed=self.plan.seed,
        )
        images = [station.dataset.names[index] for index in task.sanity_images]
        self.folder.write_json(SANITY, station.name, task.name, {"images": images, **found})
        maps = (1 + self.plan.sanity_stages) * len(images)
        self.timetable.advance(_job(task, SANITY), maps, time.perf_counter() - begin)

    def _parts(self, task: Task, kind: str, images: Sequence[int], schema: pa.Schema, work: Work) -> pa.Table:
        """Do the parts that are not there yet; all of them, read back."""
        tables = []
        for number, start in enumerate(range(0, len(images), task.batch_size)):
            path = self.folder.part(kind, task.station.name, task.name, number)
            chunk = images[start : start + task.batch_size]
            if not path.is_file():
                self.timetable.begin(_job(task, kind))
                begin = time.perf_counter()
                rows, facts = work(number, chunk)
                self.folder.write_part(path, rows, schema, facts)
                spent = time.perf_counter() - begin
                self.timetable.advance(_job(task, kind), len(chunk), spent, facts.get("seconds_scoring", 0.0))
            table = read_rows(path, schema, 1 + max(images), task.station.explanandum.num_classes)
            if set(table["index"].to_pylist()) != set(chunk):
                raise ROWS.complain(path, "is of other images than those of its place")
            tables.append(table)
        return pa.concat_tables(tables)


def _evaluating(task: Task) -> ExitStack:
    """The classifier and a method that is a module in evaluation mode, while the block runs."""
    stack = ExitStack()
    for module in (task.station.explanandum, task.caller.method):
        if isinstance(module, nn.Module):
            stack.enter_context(evaluating(module))
    return stack


def _job(task: Task, kind: str) -> str:
    return f"{task.station.name} {task.name} {kind}"
