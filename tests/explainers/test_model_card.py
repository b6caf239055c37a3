from __future__ import annotations

import copy
from typing import Any

import pytest
from huggingface_hub import ModelCard

from explanans.errors import InputError
from explanans.explainers.model_card import is_edited, renewed, sealed, split, write_card

CONFIG: dict[str, Any] = {
    "mask_network": "light/resnet18",
    "classifier": {
        "source": {"spec": "timm:resnet50", "arguments": {}},
        "weights_hash": "ab" * 32,
        "classes": ["cat", "dog", "b|`d"],
        "activation": "softmax",
        "preprocessing": {"size": [224, 200], "mean": [0.5] * 3, "std": [0.25] * 3, "interpolation": "bicubic"},
    },
    "facts": {
        "objective": {"name": "Guided", "settings": {}},
        "data": {"training": {"name": "folder:photos", "images": 1200, "hash": "x"}},
        "seed": 3,
    },
}
RECEIPTS = {"whole": 0.93444, "kept": 0.62324, "removed": 0.41475, "area": 0.2397, "masks": 249, "images": 1222}
BENCHMARK = {
    "data": "VOC2012/val",
    "images": 222,
    "normalisation": "raw",
    "same_weights": True,
    "scores": {
        "iou_soft": {"title": "IoU (soft) ↑", "mean": 0.51234, "low": 0.48, "high": 0.54, "images": 222},
        "removed": {"title": "probability, removed ↓", "mean": 0.2, "low": 0.1, "high": 0.3, "images": 222},
        "road": {"title": "ROAD ↑", "mean": 0.25, "low": -0.1, "high": 0.4, "images": 6},
    },
}


def config(**facts: Any) -> dict[str, Any]:
    made = copy.deepcopy(CONFIG)
    made["facts"] |= facts
    return made


def test_the_card_says_what_is_explained_and_how_to_load_it() -> None:
    text = write_card(CONFIG, "somebody/dogs")
    assert 'Explainer.from_pretrained("somebody/dogs")' in text
    for part in (
        "`timm:resnet50`",
        "ab" * 32,
        "softmax",
        "224 × 200",
        "`cat`, `dog`, ``b|`d``",
        "`folder:photos`, 1,200",
    ):
        assert part in text
    assert "Not measured yet" in text
    assert 'from_pretrained("FOLDER")' in write_card(CONFIG)


def test_the_metadata_are_what_the_hub_reads_and_name_no_licence() -> None:
    data = ModelCard(write_card(config(benchmark=BENCHMARK), "somebody/dogs"), ignore_metadata_errors=False).data
    assert data.library_name == "explanans"
    assert "explainability" in data.tags
    assert data.license is None
    assert data.model_name == "dogs"
    found = {result.metric_type: result.metric_value for result in data.eval_results}
    assert found == {"iou_soft": 0.51234, "removed": 0.2}
    assert {result.dataset_name for result in data.eval_results} == {"VOC2012/val"}


def test_measurements_are_tables() -> None:
    text = write_card(
        config(receipts={**RECEIPTS, "data": "VOC2012/val", "fills": ["mean", "blur"]}, benchmark=BENCHMARK)
    )
    assert "| probability, what the masks keep | 0.623 |" in text
    assert "Over 249 masks of 1,222 images of `VOC2012/val`; what is hidden is filled by mean and by blur" in text
    assert "| IoU (soft) ↑ | 0.512 | 0.480 … 0.540 | 222 |" in text
    assert "| ROAD ↑ | 0.250 | -0.100 … 0.400 | 6 |" in text
    assert "Not measured yet" not in text
    assert "other weights" not in text
    assert "recorded other weights" in write_card(config(benchmark={**BENCHMARK, "same_weights": False}))


def test_a_verdict_is_a_sentence_and_a_table() -> None:
    row = {"score": 0.81234, "kept": 0.9, "removed": 0.1, "area": 0.25, "grid": None}
    rows = {"Explainer": row, "Grad-CAM": {**row, "grid": 0.5}}
    verdict = {"says": "The Explainer is better.", "rows": rows, "masks": 52, "pictures": 40, "data": "VOC2012/val"}
    text = write_card(config(verdict=verdict))
    assert "The Explainer is better." in text
    assert "| Explainer | 0.812 | 0.900 | 0.100 | 0.250 | – |" in text
    assert "52 masks on 40 held-out images of `VOC2012/val`, without segmentations." in text
    assert "Not measured yet" not in text
    drawn = {"Explainer": {**row, "iou": 0.61}, "Grad-CAM": {**row, "iou": 0.3}}
    text = write_card(config(verdict={**verdict, "rows": drawn, "drawn": 41}))
    assert "| Explainer | 0.610 | 0.812 |" in text
    assert "`VOC2012/val`, 41 of them of drawn objects." in text


def test_what_cannot_be_loaded_alone_says_what_to_pass() -> None:
    made = config()
    made["mask_network"] = made["classifier"]["source"] = None
    text = write_card(made)
    assert 'from_pretrained("FOLDER", explanandum=YOUR_CLASSIFIER, network=YOUR_NETWORK)' in text
    assert "a module in hand" in text


def test_many_classes_are_cut_short() -> None:
    made = config()
    made["classifier"]["classes"] = [f"class {number}" for number in range(1000)]
    text = write_card(made)
    assert "`class 99` and 900 more" in text
    assert "`class 100`" not in text


def test_a_new_card_replaces_an_old_one_and_keeps_its_licence() -> None:
    old = (
        write_card(CONFIG)
        .replace("---\n", "---\nlicense: mit\ntags: [birds]\n", 1)
        .replace("tags:\n- expl", "x:\n- expl", 1)
    )
    assert not is_edited(old)
    text = renewed(write_card(config(benchmark=BENCHMARK)), old)
    metadata, body = split(text)
    assert metadata["license"] == "mit"
    assert metadata["tags"][-1] == "birds"
    assert "0.512" in body
    assert not is_edited(text)
    # Measured again: the old figures go.
    assert "model-index" not in split(renewed(write_card(CONFIG), text))[0]


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("A second network", "My second network"),
        lambda text: text + "\nMore of mine.\n",
        lambda text: text.replace("<!-- written by explanans", "<!-- by explanans"),
        lambda text: "# My own\n",
        lambda text: "---\nlicense: mit\n---\n# My own\n",
    ],
)
def test_an_edited_text_stays(edit: Any) -> None:
    old = edit(write_card(CONFIG))
    assert is_edited(old)
    assert renewed(write_card(config(seed=4)), old) == old


def test_line_ends_and_blanks_are_no_edit() -> None:
    text = write_card(CONFIG)
    assert not is_edited(text.replace("\n", "\r\n"))
    assert not is_edited(text.rstrip() + " \n\n")


@pytest.mark.parametrize(
    "old",
    [
        "---\nlicense: mit\n---\n",
        "---\nlicense: mit\n---\n\nThis model has been pushed to the Hub using the [PytorchModelHubMixin](https://x) …",
    ],
)
def test_a_card_without_a_word_of_a_persons_is_replaced(old: str) -> None:
    text = renewed(write_card(CONFIG), old)
    assert "Explainer of" in text
    assert split(text)[0]["license"] == "mit"


def test_metadata_that_cannot_be_read_are_named() -> None:
    with pytest.raises(InputError, match="no YAML"):
        split("---\na: [\n---\ntext")
    with pytest.raises(InputError, match="no mapping"):
        split("---\n- a\n---\ntext")
    assert split("no metadata") == ({}, "no metadata")
    assert not is_edited(sealed("# Hello\n"))
