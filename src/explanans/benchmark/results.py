"""What a benchmark left in its folder, for tables, figures and pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from explanans.benchmark.columns import SCHEMA
from explanans.benchmark.image_values import check_metric, specificities, values_of
from explanans.benchmark.saved_files import (
    COSTS,
    MAPS,
    SANITY,
    SCORES,
    SETTINGS,
    read_cost,
    read_maps,
    read_record,
    read_rows,
    read_sanity,
)
from explanans.benchmark.slices import part_of
from explanans.benchmark.statistics import Paired, Values, paired
from explanans.benchmark.summary_row import Row, row_of
from explanans.errors import InputError
from explanans.utils.text import printable


class Results:
    """The result folder of a benchmark, finished or not; nothing is computed before it is asked for.

    Attributes:
        folder: where it lies.
        settings: ``benchmark.json``.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.folder = folder
        self.settings = settings
        self._tables: dict[tuple[str, str], pa.Table] = {}
        # A report asks for the same rows once for every metric, and filtering them takes most of its time.
        self._rows: dict[tuple[str, str, str, str, str | None], pa.Table] = {}

    @classmethod
    def open(cls, folder: str | Path) -> Results:
        """What lies in a folder.

        Args:
            folder: what ``explanans benchmark`` wrote, finished or not.

        Raises:
            InputError: there is no benchmark, or its record is damaged.
        """
        path = Path(folder) / SETTINGS
        if not path.is_file():
            raise InputError(
                f"{folder} is no result of a benchmark: it holds no {SETTINGS}. Make one: explanans benchmark"
            )
        return cls(Path(folder), read_record(path))

    @property
    def classifiers(self) -> list[str]:
        return list(self.settings["classifiers"])

    @property
    def methods(self) -> list[str]:
        return list(self.settings["methods"])

    def title(self, method: str) -> str:
        """What tables call a method, in letters that any of them can hold."""
        return printable(self.settings["methods"][method]["title"])

    @property
    def reference(self) -> str | None:
        """The method that the others are tested against."""
        return self.settings["reference"]

    @property
    def images(self) -> list[str]:
        """Names of the images; ``index`` in the rows is a position in this list."""
        return self.settings["data"]["images"]

    @property
    def subset_images(self) -> list[str]:
        """Names of the images that every method saw; empty where no method is slow."""
        return (self.settings["subset"] or {"images": []})["images"]

    def classes(self, classifier: str) -> list[str]:
        return self.settings["classifiers"][classifier]["classes"]

    def normalisations(self, method: str) -> list[str]:
        """The method's own first."""
        return self.settings["methods"][method]["normalisations"]

    def rows(
        self,
        classifier: str,
        method: str,
        normalisation: str | None = None,
        subset: str = "all",
        photos: str | None = None,
    ) -> pa.Table:
        """The rows of the images that are done, in the order of the images.

        Args:
            normalisation: None for the method's own.
            subset: "shared" leaves out the images that not every method saw.
            photos: one of :data:`~explanans.benchmark.slices.SLICES`, such as "several labels"; None for all.
        """
        table = self._table(classifier, method)
        steps = self.normalisations(method)
        if normalisation is not None and normalisation not in steps:
            raise InputError(f"normalisation={normalisation!r}: {method} was measured with {steps}.")
        if subset not in ("all", "shared"):
            raise InputError(f"subset={subset!r}; take 'all' or 'shared'.")
        step = normalisation or steps[0]
        key = (classifier, method, step, subset, photos)
        if key not in self._rows:
            table = table.filter(pc.equal(table["normalisation"], step))
            if subset == "shared":
                table = table.filter(pc.is_in(table["index"], pa.array(self._shared_indices(), pa.int32())))
            if photos is not None:
                table = part_of(table, photos)
            self._rows[key] = table
        return self._rows[key]

    def values(
        self,
        metric: str,
        classifier: str,
        method: str,
        normalisation: str | None = None,
        subset: str = "all",
        photos: str | None = None,
    ) -> tuple[NDArray[np.int32], Values]:
        """Positions of the images that a metric was computed for, and its value for each."""
        check_metric(metric)
        table = self.rows(classifier, method, normalisation, subset, photos)
        values = values_of(metric, table, self.classes(classifier))
        known = ~np.isnan(values)
        return table["index"].to_numpy()[known], values[known]

    def summary(
        self,
        *metrics: str,
        subset: str | None = None,
        classifier: str | None = None,
        photos: str | None = None,
        steps: Literal["all", "own"] = "all",
    ) -> list[Row]:
        """Means with 95 % bootstrap intervals over the images, for every method and normalisation.

        A method of which nothing is done yet has no row.

        Args:
            metrics: of :data:`~explanans.benchmark.columns.COLUMNS`.
            subset: "all": methods that saw every image; "shared": every method, on the images that all saw; None: both,
                the first alone where no method is slow.
            classifier: None for every one.
            photos: as for :meth:`rows`.
            steps: all normalisations, or each method's own alone.
        """
        for metric in metrics:
            check_metric(metric)
        wanted = [subset] if subset is not None else ["all", *(["shared"] if self.subset_images else [])]
        found = []
        for name in [classifier] if classifier is not None else self.classifiers:
            for part in wanted:
                for method, facts in self.settings["methods"].items():
                    if part == "all" and facts["subset"] == "shared":
                        continue
                    for normalisation in facts["normalisations"][: 1 if steps == "own" else None]:
                        row = self._row(name, method, normalisation, part, metrics, photos)
                        found += [row] if row.images else []
        return found

    def paired(
        self,
        metric: str,
        classifier: str,
        method_a: str,
        method_b: str,
        normalisation_a: str | None = None,
        normalisation_b: str | None = None,
        subset: str = "all",
    ) -> Paired:
        """Method a against b on the images that both were scored on (see ``statistics.paired``)."""
        check_metric(metric)
        tables = [
            self.rows(classifier, method, normalisation, subset)
            for method, normalisation in ((method_a, normalisation_a), (method_b, normalisation_b))
        ]
        common = pa.array(np.intersect1d(*(table["index"].to_numpy() for table in tables)), pa.int32())
        a, b = (
            values_of(metric, table.filter(pc.is_in(table["index"], common)), self.classes(classifier))
            for table in tables
        )
        known = ~(np.isnan(a) | np.isnan(b))
        return paired(a[known], b[known], seed=self.settings["seed"])

    def threshold(self, classifier: str, method: str, normalisation: str | None = None) -> float | None:
        """Where masks are cut for ``iou_best``, chosen on the other split; None without one, or before it is done."""
        chosen = self.settings["thresholds"].get(classifier, {}).get(method, {})
        return chosen.get(normalisation or self.normalisations(method)[0])

    def costs(self, classifier: str, method: str) -> dict[str, Any] | None:
        """What a map costs, None where it has not been measured yet."""
        path = self._file(COSTS, classifier, method)
        return read_cost(path) if path.is_file() else None

    def sanity(self, classifier: str, method: str) -> dict[str, Any] | None:
        """How much of a map is left under randomised weights, None where it was not asked for or is not done."""
        path = self._file(SANITY, classifier, method)
        return read_sanity(path) if path.is_file() else None

    def maps(self, classifier: str, method: str) -> dict[str, NDArray[np.uint8]]:
        """uint8 maps (C, H, W) by image, normalised by the method's own step, 255 for 1; empty before they are done."""
        path = self.folder / MAPS / classifier / f"{method}.npz"
        return read_maps(path, len(self.classes(classifier))) if path.is_file() else {}

    def specificity(
        self, classifier: str, method: str, normalisation: str | None = None, subset: str = "all"
    ) -> NDArray[np.float64]:
        """The confusion matrix (C, C): [r, c] is the mean softmax probability of r on images with label r that are
        masked with the mask for c; NaN for a class without an image, and all NaN where it was not asked for."""
        values, labels = specificities(self.rows(classifier, method, normalisation, subset), self.classes(classifier))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.einsum("nr,ncr->rc", labels, values) / labels.sum(0)[:, None]

    def _row(
        self,
        classifier: str,
        method: str,
        normalisation: str,
        subset: str,
        metrics: Sequence[str],
        photos: str | None,
    ) -> Row:
        own = normalisation == self.normalisations(method)[0]
        return row_of(
            {each: self.values(each, classifier, method, normalisation, subset, photos)[1] for each in metrics},
            self.rows(classifier, method, normalisation, subset, photos)["status"].to_pylist(),
            seed=self.settings["seed"],
            classifier=classifier,
            method=method,
            title=self.title(method) if own else f"{self.title(method)} ({normalisation})",
            normalisation=normalisation,
            subset=subset,
        )

    def _shared_indices(self) -> list[int]:
        places = {name: index for index, name in enumerate(self.images)}
        return [places[name] for name in self.subset_images]

    def _table(self, classifier: str, method: str) -> pa.Table:
        if classifier not in self.settings["classifiers"] or method not in self.settings["methods"]:
            raise InputError(
                f"{self.folder} has no {classifier!r} with {method!r}; it has the classifiers {self.classifiers} and "
                f"the methods {self.methods}."
            )
        if (classifier, method) not in self._tables:
            parts = sorted((self.folder / SCORES / classifier / method).glob("part-*.parquet"))
            sizes = len(self.images), len(self.classes(classifier))
            tables = [read_rows(part, SCHEMA, *sizes) for part in parts] or [SCHEMA.empty_table()]
            self._tables[classifier, method] = pa.concat_tables(tables).sort_by("index")
        return self._tables[classifier, method]

    def _file(self, kind: str, classifier: str, method: str) -> Path:
        return self.folder / kind / classifier / f"{method}.json"
