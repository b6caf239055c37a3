from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from explanans.images.preprocessing import Preprocessing
from explanans.objectives.localisation import energy_loss
from explanans.objectives.localisation.evidence import Evidence
from explanans.training.guided_classification import GuidedTraining, box_around
from explanans.training.optimizer import Optimizer

from .bare_trainer import fit

SIDE = 8
PREPROCESSING = Preprocessing(SIDE, (0.5,) * 3, (0.25,) * 3)


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(inplace=True))
        self.head = nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images).mean((2, 3)))


def training(**changes: Any) -> GuidedTraining:
    torch.manual_seed(0)
    return GuidedTraining(
        Small(),
        **{
            "evidence": Evidence(["features"], (SIDE, SIDE)),
            "loss": energy_loss,
            "weight": 2.0,
            "form": "masks",
            "side": "inside",
            "annotated": range(4),
            "num_classes": 2,
            "activation": "sigmoid",
            "preprocessing": PREPROCESSING,
            "optimizer": Optimizer(0.0 + 1e-2),
            "blanks": 0.0,
            "hidden": 0.0,
            "seed": 0,
            "channels_last": False,
            **changes,
        },
    )


def batch() -> dict[str, Tensor]:
    """Four pictures of class 0, with its region on the left half; a strip is void."""
    segmentation = torch.zeros(4, SIDE, SIDE, dtype=torch.uint8)
    segmentation[:, :, :4] = 1
    segmentation[:, 0] = 255
    generator = torch.Generator().manual_seed(0)
    return {
        "image": torch.randn(4, 3, SIDE, SIDE, generator=generator),
        "labels": torch.tensor([[1.0, 0.0]]).repeat(4, 1),
        "segmentation": segmentation,
        "index": torch.arange(4),
    }


def located(module: GuidedTraining, given: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """The term, and the evidence of class 0 by hand."""
    module._batch = given  # type: ignore[assignment]
    logits = module.answer(module.network, given["image"])
    features = module.network.features(given["image"])  # type: ignore[operator]
    evidence = torch.einsum("k,nkhw->nhw", module.network.head.weight[0], features)  # type: ignore[union-attr]
    return module._located(logits, given, torch.Generator().manual_seed(0)), evidence  # type: ignore[arg-type]


@pytest.mark.parametrize(("side", "columns"), [("inside", slice(0, 4)), ("outside", slice(4, 8))])
def test_by_hand(side: str, columns: slice) -> None:
    found, evidence = located(training(side=side), batch())
    positive = evidence.clamp(min=0)[:, 1:]
    expected = (1 - positive[:, :, columns].sum((1, 2)) / positive.sum((1, 2))).mean()
    torch.testing.assert_close(found, expected)


def test_only_pictures_that_are_annotated_and_have_a_region_count() -> None:
    given = batch()
    given["segmentation"][1] = 255
    given["labels"][2] = torch.tensor([0.0, 1.0])
    module = training(annotated=[0, 1, 2])
    found, evidence = located(module, given)
    positive = evidence[0].clamp(min=0)[1:]
    torch.testing.assert_close(found, 1 - positive[:, :4].sum() / positive.sum())
    assert located(training(annotated=[]), given)[0] == 0


def test_boxes() -> None:
    region = torch.zeros(2, 5, 6, dtype=torch.bool)
    region[0, 1, 2] = region[0, 3, 4] = True
    expected = torch.zeros(2, 5, 6, dtype=torch.bool)
    expected[0, 1:4, 2:5] = True
    assert torch.equal(box_around(region), expected)


def test_training_moves_the_evidence_and_validation_needs_no_regions() -> None:
    given = batch()
    rows = [{name: value[row] for name, value in given.items()} for row in range(4)]
    # Colour tells the halves apart, so that a network without a look around can.
    for row in rows:
        row["image"][0, :, :4] += 3
    module = training(weight=5.0, optimizer=Optimizer(0.05))
    before = float(located(module, given)[0].detach())
    module._batch = None
    fit(module, DataLoader(rows, 4), max_epochs=60)  # type: ignore[arg-type]
    assert module._batch is None
    assert float(located(module, given)[0].detach()) < min(0.1, before / 2)


def test_the_term_is_weighted_beside_the_labels() -> None:
    module, given = training(), batch()
    module._batch = given  # type: ignore[assignment]
    logits = module.answer(module.network, given["image"])
    terms = module.terms(logits, given["image"], given["labels"], 0.0, torch.Generator().manual_seed(0))
    assert set(terms) == {"loss", "localisation"}
    torch.testing.assert_close(terms["localisation"], 2 * located(training(), given)[0])


def test_swapped_regions_of_annotated_pictures_only() -> None:
    given = batch()
    given["segmentation"][2:] = 0
    module = training(side="outside", swapped=1.0, annotated=[0, 2, 3])
    module._batch = given  # type: ignore[assignment]
    labels = given["labels"]
    changed, same = module.changed(given["image"], labels, torch.Generator().manual_seed(0))
    assert torch.equal(same, labels)
    moved = (changed != given["image"]).any(1)
    assert moved[0, 1:, :4].all()
    assert not moved[0, :, 4:].any()
    assert not moved[0, 0].any()
    assert int(moved.flatten(1).any(1).sum()) == 2


def test_weights_are_of_the_pictures_and_blanks_count_once() -> None:
    given = batch()
    weights = torch.tensor([[2.0, 1.0]] * 4)
    plain, weighted = training(weight=0.0), training(weight=0.0, weights=weights)
    images = torch.cat([given["image"], torch.zeros(1, 3, SIDE, SIDE)])
    labels = torch.cat([given["labels"], torch.zeros(1, 2)])
    losses = []
    for module in (plain, weighted):
        module._batch = given  # type: ignore[assignment]
        logits = module.answer(module.network, images)
        terms = module.terms(logits, images, labels, 0.0, torch.Generator().manual_seed(0))
        assert set(terms) == {"loss"}
        losses.append(terms["loss"])
    more = torch.nn.functional.softplus(-logits[:4, 0]).sum() / 10
    torch.testing.assert_close(losses[1] - losses[0], more)


def test_the_others_are_sharpened_by_their_own_evidence_and_nobody_looks_at_their_regions() -> None:
    module, given = training(annotated=[0, 1], sharpened=3.0, weight=0.0), batch()
    given["segmentation"][2:] = 255
    given["labels"][3] = 0
    module._batch = given  # type: ignore[assignment]
    logits = module.answer(module.network, given["image"])
    terms = module.terms(logits, given["image"], given["labels"], 0.0, torch.Generator().manual_seed(0))
    assert set(terms) == {"loss", "sharpened"}
    evidence = located(module, given)[1][2].detach().clamp(min=0)
    assert evidence.max() > 0
    faint = evidence[evidence < evidence.max() / 2].sum()
    torch.testing.assert_close(terms["sharpened"].detach(), 3 * faint / evidence.sum())
    # All are annotated, and none is left.
    alone = training(sharpened=3.0)
    assert alone._own(logits, given, torch.Generator()) == 0  # type: ignore[arg-type]


def test_the_last_of_many_classes_is_guided_and_nothing_is_as_large_as_all_of_them() -> None:
    torch.manual_seed(0)
    module, given = training(num_classes=300, swapped=1.0), batch()
    module.network.head = nn.Linear(4, 300)
    given["segmentation"] = given["segmentation"].int()
    # Numbers 255 and 300 are classes; void is 65535 and no 255.
    given["segmentation"][given["segmentation"] == 255] = 65535
    given["segmentation"][given["segmentation"] == 1] = 300
    given["segmentation"][3, -1] = 255
    given["labels"] = torch.zeros(4, 300)
    given["labels"][:3, 299] = given["labels"][3, 254] = 1
    module._batch = given  # type: ignore[assignment]
    logits = module.answer(module.network, given["image"])
    features = module.network.features(given["image"])  # type: ignore[operator]
    weights = module.network.head.weight  # type: ignore[union-attr]
    losses = []
    for number, (column, region) in enumerate([(299, np.s_[:, :4])] * 3 + [(254, np.s_[-1:])]):
        positive = torch.einsum("k,khw->hw", weights[column], features[number]).clamp(min=0)[1:]
        losses.append(1 - positive[region].sum() / positive.sum())
    found = module._located(logits, given, torch.Generator())  # type: ignore[arg-type]
    torch.testing.assert_close(found, torch.stack(losses).mean())
    assert module._regions(given).tolist() == ((given["segmentation"] > 0) & (given["segmentation"] < 65535)).tolist()  # type: ignore[arg-type]
