from __future__ import annotations

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.images.preprocessing import Preprocessing
from explanans.methods import make_method
from explanans.training import fit

onnx = pytest.importorskip("onnx", reason="needs the extra onnx")
pytest.importorskip("onnxruntime", reason="needs the extra onnx")

PREPROCESSING = Preprocessing(16, (0.5,) * 3, (0.5,) * 3)
WEIGHTS = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)


def write(path: Path, *, layout: str = "nchw", batch: int | str = "n", last: str | None = None, size: int = 16) -> Path:
    """Mean colour times ``WEIGHTS``, and an activation where ``last`` names one."""
    shape = [batch, 3, size, size] if layout == "nchw" else [batch, size, size, 3]
    axes = onnx.numpy_helper.from_array(np.array([2, 3] if layout == "nchw" else [1, 2]), "axes")
    nodes = [
        onnx.helper.make_node("ReduceMean", ["images", "axes"], ["colour"], keepdims=0),
        onnx.helper.make_node("MatMul", ["colour", "weights"], ["logits"]),
    ]
    if last is not None:
        nodes.append(onnx.helper.make_node(last, ["logits"], ["answer"]))
    graph = onnx.helper.make_graph(
        nodes,
        "classifier",
        [onnx.helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, shape)],
        [onnx.helper.make_tensor_value_info("answer" if last else "logits", onnx.TensorProto.FLOAT, [batch, 2])],
        [axes, onnx.numpy_helper.from_array(WEIGHTS, "weights")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, path)
    return path


def images(count: int = 5, size: int = 16) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def expected(given: Tensor) -> Tensor:
    return given.mean((2, 3)) @ torch.from_numpy(WEIGHTS)


def load(spec: str, **changes: object) -> Explanandum:
    settings = {"classes": ("a", "b"), "preprocessing": PREPROCESSING, **changes}
    return Explanandum.load(spec, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("batch", ["n", 2, 1])
def test_logits(tmp_path: Path, layout: str, batch: int | str) -> None:
    classifier = load(f"onnx:{write(tmp_path / 'model.onnx', layout=layout, batch=batch)}", activation="softmax")
    assert torch.allclose(classifier(images()), expected(images()), atol=1e-5)
    assert not classifier.differentiable


@pytest.mark.parametrize(("last", "outputs"), [("Softmax", "softmax"), ("Sigmoid", "sigmoid")])
def test_probabilities_say_the_activation(tmp_path: Path, last: str, outputs: str) -> None:
    classifier = load(f"onnx:{write(tmp_path / 'model.onnx', last=last)}?outputs={outputs}")
    assert classifier.activation == outputs
    logits = expected(images())
    probabilities = logits.softmax(1) if outputs == "softmax" else logits.sigmoid()
    assert torch.allclose(classifier.probabilities(images()), probabilities, atol=1e-5)


def test_logits_that_were_called_probabilities(tmp_path: Path) -> None:
    file = write(tmp_path / "model.onnx")
    with pytest.raises(InputError, match="outputs=logits"):
        load(f"onnx:{file}?outputs=sigmoid")(10 * images())


def test_what_the_graph_fixes_and_leaves_open(tmp_path: Path) -> None:
    file = write(tmp_path / "model.onnx", size=20)
    with pytest.raises(InputError, match=r"takes \(20, 20\)"):
        load(f"onnx:{file}", activation="sigmoid")
    with pytest.raises(InputError, match="activation cannot be known"):
        load(f"onnx:{file}")
    with pytest.raises(InputError, match="outputs='maybe'"):
        load(f"onnx:{file}?outputs=maybe")
    with pytest.raises(InputError, match=r"no output 'else'.*logits"):
        load(f"onnx:{file}?output=else")
    (tmp_path / "noise.onnx").write_bytes(b"no graph")
    with pytest.raises(InputError, match="cannot be read as ONNX"):
        load(f"onnx:{tmp_path / 'noise.onnx'}")


def test_saved_copied_and_pickled(tmp_path: Path) -> None:
    classifier = load(f"onnx:{write(tmp_path / 'model.onnx', last='Sigmoid')}?outputs=sigmoid")
    classifier.save(tmp_path / "saved")
    before = classifier.probabilities(images())
    (tmp_path / "model.onnx").unlink()
    loaded = Explanandum.load(tmp_path / "saved")
    for other in (loaded, copy.deepcopy(loaded), pickle.loads(pickle.dumps(loaded))):
        assert torch.equal(other.probabilities(images()), before)
        assert other.weights_hash == classifier.weights_hash


def test_receipts_of_a_black_box(tmp_path: Path) -> None:
    classifier = load(f"onnx:{write(tmp_path / 'model.onnx', last='Sigmoid')}?outputs=sigmoid")
    explainer = Explainer(classifier, "compact", encoder_weights=None).eval()
    explanation = explainer.explain(np.full((30, 40, 3), 200, np.uint8), top_k=1)
    (found,) = explanation
    assert found.receipt is not None
    assert 0 <= found.receipt.kept <= 1


def test_what_needs_gradients_says_so_and_the_rest_works(tmp_path: Path) -> None:
    classifier = load(f"onnx:{write(tmp_path / 'model.onnx')}", activation="softmax")
    for name in ("grad_cam", "integrated_gradients", "extremal_perturbation"):
        with pytest.raises(InputError, match=rf"method '{name}' needs gradients, .*surrogate"):
            make_method(name, classifier)
    for name, what in {"score_cam": "layers", "attention_rollout": "attention"}.items():
        with pytest.raises(InputError, match=rf"method '{name}' needs a look at its {what}, .*surrogate"):
            make_method(name, classifier)
    maps = make_method("rise", classifier, masks=8)(images(1), [0], torch.Generator().manual_seed(0))
    assert maps.shape == (1, 2, 16, 16)
    with pytest.raises(InputError, match="fit needs gradients"):
        fit(Explainer(classifier, "compact", encoder_weights=None), "nowhere")


@pytest.fixture
def split(tmp_path: Path) -> Path:
    """A graph whose weights lie in a file of their own, as torch.onnx.export writes them."""
    (tmp_path / "made").mkdir()
    file = write(tmp_path / "made" / "model.onnx")
    # The threshold is in bytes of the Python object: it keeps the two axes of the mean in the graph.
    onnx.save(onnx.load(file), file, save_as_external_data=True, location="model.onnx.data", size_threshold=53)
    return file


def test_weights_in_a_file_of_their_own_are_saved_and_hashed(split: Path, tmp_path: Path) -> None:
    classifier = load(f"onnx:{split}", activation="softmax")
    assert torch.allclose(classifier(images()), expected(images()), atol=1e-5)
    classifier.save(tmp_path / "saved")
    data = split.with_name("model.onnx.data")
    other = (-np.frombuffer(data.read_bytes(), np.float32)).tobytes()
    data.write_bytes(other)
    assert load(f"onnx:{split}", activation="softmax").weights_hash != classifier.weights_hash
    data.unlink()
    with pytest.raises(InputError, match=r"weights in 'model.onnx.data', which is not beside it"):
        load(f"onnx:{split}", activation="softmax")
    loaded = Explanandum.load(tmp_path / "saved")
    assert torch.allclose(loaded(images()), expected(images()), atol=1e-5)
    (tmp_path / "saved" / "model.onnx.data").write_bytes(other)
    with pytest.raises(InputError, match="changed or damaged"):
        Explanandum.load(tmp_path / "saved")


def test_weights_outside_of_the_folder_are_not_read(split: Path) -> None:
    model = onnx.load(split, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            entry.value = "../secret" if entry.key == "location" else entry.value
    split.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match=r"'../secret', outside of its folder"):
        load(f"onnx:{split}", activation="softmax")


def test_an_activation_that_contradicts_the_outputs(tmp_path: Path) -> None:
    file = write(tmp_path / "model.onnx", last="Softmax")
    with pytest.raises(InputError, match=r"activation='sigmoid', but .* softmax probabilities"):
        load(f"onnx:{file}?outputs=softmax", activation="sigmoid")


def test_other_channels_and_sizes_than_the_graph_takes(tmp_path: Path) -> None:
    file = write(tmp_path / "model.onnx")
    with pytest.raises(InputError, match=r"mean and std have 1 numbers.*takes 3 channels"):
        load(f"onnx:{file}", activation="softmax", preprocessing=Preprocessing(16, (0.5,), (0.5,)))
    classifier = load(f"onnx:{file}", activation="softmax")
    with pytest.raises(InputError, match=r"does not take images of shape \(2, 3, 20, 20\)"):
        classifier(images(2, 20))


def test_no_images(tmp_path: Path) -> None:
    classifier = load(f"onnx:{write(tmp_path / 'model.onnx', last='Softmax')}?outputs=softmax")
    assert classifier.probabilities(images(0)).shape == (0, 2)
    fixed = load(f"onnx:{write(tmp_path / 'model.onnx', last='Softmax', batch=2)}?outputs=softmax")
    assert fixed.probabilities(images(0)).shape == (0, 2)
