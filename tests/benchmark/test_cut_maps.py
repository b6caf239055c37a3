"""Masks that are cut by asking are those of ``explain``, in a benchmark too."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from explanans.benchmark.cut_maps import CutMaps, without_cut
from explanans.benchmark.plan import make_plan
from explanans.benchmark.record import record_of
from explanans.benchmark.runner import run_benchmark
from explanans.classifiers.explanandum import Explanandum
from explanans.data import LabelledImages
from explanans.errors import InputError
from explanans.explanations.by_method import ByMethod
from explanans.explanations.cut import AREAS, areas_of
from explanans.methods import make_method
from explanans.methods.base import PairMethod


class OwnAreas(PairMethod):
    """Maps that rise by one from pixel to pixel."""

    cut_areas = (0.3,)

    def __init__(self, explanandum: Explanandum) -> None:
        self.explanandum = explanandum

    def pairs(
        self, images: torch.Tensor, asked: torch.Tensor, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        rising = torch.arange(float(images[0, 0].numel())).view(images.shape[-2:])
        return rising.expand(int(asked.sum()), *rising.shape)


@pytest.mark.parametrize("method", ["grad_cam", "own areas"])
def test_masks_are_those_of_explain(method: str, explanandum: Explanandum, val: LabelledImages) -> None:
    images = torch.stack([val[index]["image"] for index in range(2)])
    asked = torch.zeros(2, explanandum.num_classes, dtype=torch.bool)
    asked[0, 1] = asked[1, 0] = asked[1, 2] = True
    made = OwnAreas(explanandum) if method == "own areas" else make_method(method, explanandum)
    cut = CutMaps(explanandum, made)
    masks = cut(images, asked)
    _, draw = ByMethod(explanandum, made).look(images)
    torch.testing.assert_close(masks[asked], draw(asked), rtol=1e-3, atol=1e-5)
    assert not masks[~asked].any()
    assert without_cut(cut) is made


def test_a_method_says_at_which_areas_its_maps_are_cut(explanandum: Explanandum, val: LabelledImages) -> None:
    """Of each of two maps three levels and one area are kept and removed; other methods have four areas."""
    image = val[0]["image"][None]
    asked = torch.zeros(1, explanandum.num_classes, dtype=torch.bool)
    asked[0, :2] = True
    pictures: list[int] = []
    hook = explanandum.module.register_forward_hook(lambda module, given, found: pictures.append(len(found)))
    CutMaps(explanandum, OwnAreas(explanandum))(image, asked)
    ByMethod(explanandum, OwnAreas(explanandum)).look(image)[1](asked)
    hook.remove()
    assert sum(pictures) == 2 * (1 + 2 * 2 * (3 + 1))
    assert tuple(areas_of(make_method("spread_cam", explanandum))) == ()
    assert areas_of(make_method("grad_cam", explanandum)) == AREAS


def test_a_benchmark_scores_the_masks(make_settings, tmp_path: Path) -> None:
    methods = {"raw": {"method": "evidence"}, "mask": {"method": "evidence", "cut": True}}
    settings = make_settings(methods, metrics=["segmentation"], limit=2, also_normalise=["minmax"])
    plan = make_plan(settings)
    raw, mask = plan.tasks
    assert mask.title == f"{raw.title}, cut by asking"
    assert mask.normalisations == ("raw", "minmax")
    record = record_of(settings, plan)["methods"]
    assert record["mask"]["cut"] is True
    assert "cut" not in record["raw"]
    results = run_benchmark(settings, tmp_path)
    rows = {name: results.rows("tiny", name, "raw").to_pylist() for name in methods}
    assert [row["iou_50"] for row in rows["raw"]] != [row["iou_50"] for row in rows["mask"]]
    assert all(0 < row["area"] < 1 for row in rows["mask"])


def test_what_looks_at_no_picture_is_not_cut(make_settings) -> None:
    with pytest.raises(InputError, match=r"methods\.ground_truth\.cut: ground_truth looks at no picture"):
        make_settings({"ground_truth": {"cut": True}})
