"""The sample classifier: weights out of an installed package, read as data."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.sources import sample
from explanans.errors import InputError

SPEC = "sample:efficientnet_lite0"
pytestmark = pytest.mark.skipif(not find_spec(sample.PACKAGE), reason="needs pip install 'explanans[sample]'")


@pytest.fixture(scope="module")
def classifier() -> Explanandum:
    return Explanandum.load(SPEC)


def test_it_knows_its_classes_and_its_input(classifier: Explanandum) -> None:
    assert (classifier.num_classes, classifier.activation) == (1000, "softmax")
    assert classifier.classes[207] == "golden retriever"
    assert classifier.preprocessing.height == classifier.preprocessing.width == 224


@pytest.mark.shared
def test_its_weights_are_those_of_timm(classifier: Explanandum, shared: Path) -> None:
    theirs = load_file(shared / "weights" / "tf_efficientnet_lite0-imagenet1k.safetensors")
    for name, tensor in classifier.module.state_dict().items():
        # Theirs were rounded to float16.
        assert torch.allclose(tensor.float(), theirs[name].float(), atol=1e-3, rtol=1e-3), name


@pytest.mark.shared
def test_it_names_real_photos(classifier: Explanandum, shared: Path) -> None:
    folder = shared / "data" / "photos-cc-by"
    rows = (folder / "photos.csv").read_text(encoding="utf-8").splitlines()[1:]
    picture = Image.open(folder / rows[0].split(",")[0])
    answer = classifier.probabilities(classifier.preprocessing(picture)[None])
    assert classifier.classes[int(answer.argmax())] == "sports car"


def test_the_package_is_never_imported() -> None:
    Explanandum.load(SPEC)
    assert sample.PACKAGE not in sys.modules


def test_a_saved_copy_is_read_again(classifier: Explanandum, tmp_path: Path) -> None:
    again = Explanandum.load(classifier.save(tmp_path / "saved"))
    assert again.weights_hash == classifier.weights_hash


def test_another_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "SHA256", "0" * 64)
    with pytest.raises(InputError, match="install the package again"):
        Explanandum.load(SPEC)


def test_without_the_package_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'explanans\[sample\]'"):
        Explanandum.load(SPEC)


def test_another_name_is_refused() -> None:
    with pytest.raises(InputError, match="take sample:efficientnet_lite0"):
        Explanandum.load("sample:efficientnet_lite1")
