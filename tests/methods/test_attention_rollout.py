from __future__ import annotations

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.methods.attention_rollout import AttentionRollout, relevance, rollout
from explanans.methods.shared.attention import AttentionWeights

CLASSES = ("a", "b", "c")


def explanandum(module: nn.Module, size: int | tuple[int, int] = 32) -> Explanandum:
    preprocessing = Preprocessing(size, (0.5,) * 3, (0.5,) * 3)
    return Explanandum(module, classes=CLASSES, activation="softmax", preprocessing=preprocessing)


def transformer(kind: str) -> nn.Module:
    torch.manual_seed(0)
    if kind == "torchvision":
        module: nn.Module = torchvision.models.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=3)
        nn.init.normal_(module.heads.head.weight)
        return module
    name = {"deit": "deit_tiny_distilled_patch16_224"}.get(kind, "vit_tiny_patch16_224")
    module = timm.create_model(name, pretrained=False, num_classes=3, depth=2, embed_dim=24, img_size=32, patch_size=8)
    for part in module.modules():
        if kind == "written out" and hasattr(part, "fused_attn"):
            part.fused_attn = False
    return module


def pictures() -> Tensor:
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_formulas_by_hand() -> None:
    first = torch.tensor([[[[0.5, 0.5], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]]]])
    second = torch.tensor([[[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]]]])
    # Means over heads: [[.75, .25], [.5, .5]] and [[.5, .5], [.5, .5]]; with the identity, halved:
    one, two = torch.tensor([[0.875, 0.125], [0.25, 0.75]]), torch.tensor([[0.75, 0.25], [0.25, 0.75]])
    torch.testing.assert_close(rollout([first, second]), (two @ one)[None])
    gradients = [torch.full_like(first, 2.0), torch.tensor([[[[1.0, 1], [1, 1]], [[-1, -1], [-1, -1]]]])]
    # relu(∇A ⊙ A), means: [[1.5, .5], [1, 1]] and [[.5, 0], [.25, .25]].
    eye = torch.eye(2)
    one, two = torch.tensor([[1.5, 0.5], [1.0, 1.0]]), torch.tensor([[0.5, 0.0], [0.25, 0.25]])
    torch.testing.assert_close(relevance([first, second], gradients), ((eye + two) @ (eye + one) - eye)[None])


@pytest.mark.parametrize("kind", ["fused", "written out", "deit", "torchvision"])
def test_watching_changes_no_answer_and_sees_every_block(kind: str) -> None:
    classifier, images = explanandum(transformer(kind)), pictures()
    with torch.no_grad():
        expected = classifier(images)
        with AttentionWeights(2) as attention:
            found = classifier(images)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    tokens = 18 if kind == "deit" else 17
    heads = 2 if kind == "torchvision" else 3
    assert [tuple(weights.shape) for weights in attention.weights] == [(2, heads, tokens, tokens)] * 2
    for weights in attention.weights:
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, heads, tokens))


def test_three_ways_to_attend_give_the_same_maps() -> None:
    maps = [
        AttentionRollout(explanandum(transformer(kind)), weighting="gradient")(pictures(), "b")
        for kind in ("fused", "written out")
    ]
    torch.testing.assert_close(*maps, atol=1e-6, rtol=1e-3)


def test_multi_head_attention_agrees_with_torch() -> None:
    torch.manual_seed(0)
    module = nn.MultiheadAttention(8, 2, batch_first=True).eval().requires_grad_(False)
    tokens = torch.randn(2, 5, 8)
    expected, weights = module(tokens, tokens, tokens, average_attn_weights=False)
    with AttentionWeights(2) as attention:
        found, nothing = module(tokens, tokens, tokens, need_weights=False)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(attention.weights[0], weights)
    assert nothing is None


@pytest.mark.parametrize("options", [{"is_causal": True}, {"attn_mask": True}, {"attn_mask": False}, {"scale": 0.3}])
def test_attention_worked_out_in_full_agrees_with_torch(options: dict) -> None:
    query, key, value = torch.randn(3, 2, 4, 6, 5, generator=torch.Generator().manual_seed(0))
    if "attn_mask" in options:
        bias = torch.randn(6, 6, generator=torch.Generator().manual_seed(1))
        options = {"attn_mask": (bias > -1) | torch.eye(6).bool() if options["attn_mask"] else bias}
    expected = functional.scaled_dot_product_attention(query, key, value, **options)
    with AttentionWeights(2):
        found = functional.scaled_dot_product_attention(query, key, value, **options)
    torch.testing.assert_close(found, expected)


class Looking(nn.Module):
    """A class token that attends to red patches with one head and to blue ones with the other; class a wants red."""

    def forward(self, images: Tensor) -> Tensor:
        patches = functional.avg_pool2d(images, 8).flatten(2).mT
        token = torch.tensor([1.0, 0.0, 1.0]).to(images).expand(len(images), 1, 3)
        tokens = torch.cat([token, patches], 1)
        heads = tokens[..., ::2].mT[..., None]
        attended = functional.scaled_dot_product_attention(4 * heads, heads, heads)[:, :, 0, 0]
        return torch.cat([attended, 0 * attended[:, :1]], 1)


def test_planted_evidence() -> None:
    images = torch.zeros(1, 3, 32, 32)
    images[:, 0, :8, :8] = 2
    images[:, 2, 24:, 24:] = 2
    classifier = explanandum(Looking())
    plain = AttentionRollout(classifier)(images, ["a", "b"])[0]
    assert torch.equal(plain[0], plain[1])
    assert not plain[2].any()
    assert plain[0, 4, 4] == pytest.approx(float(plain[0, -5, -5]))
    assert plain[0, 4, 4] > 10 * plain[0, 4, -5]
    graded = AttentionRollout(classifier, weighting="gradient")(images, ["a", "b"])[0]
    assert graded[0, 4, 4] > 10 * graded[0, -5, -5]
    assert graded[1, -5, -5] > 10 * graded[1, 4, 4]


@pytest.mark.parametrize("weighting", ["none", "gradient"])
def test_batches_agree_and_nothing_is_left(weighting: str) -> None:
    module = transformer("deit")
    classifier = explanandum(module)
    asked = torch.tensor([[1, 0, 1], [0, 1, 0]])
    whole = AttentionRollout(classifier, weighting=weighting)(pictures(), asked)
    parts = AttentionRollout(classifier, weighting=weighting, batch_size=1)(pictures(), asked)
    torch.testing.assert_close(whole, parts, atol=1e-7, rtol=1e-4)
    assert not whole.requires_grad
    assert (whole[asked == 0] == 0).all()
    assert whole[asked == 1].amax((1, 2)).min() > 0
    assert all(part.fused_attn for part in module.modules() if hasattr(part, "fused_attn"))


def test_what_it_found_is_said() -> None:
    method = AttentionRollout(explanandum(transformer("deit")))
    assert (method.blocks, method.grid) == (2, (4, 4))


def test_other_classifiers_are_told_what_to_take() -> None:
    swin = torchvision.models.SwinTransformer([4, 4], 12, [1, 1], [1, 2], [4, 4], num_classes=3)
    with pytest.raises(InputError, match=r"SwinTransformer.*within windows; take grad_cam"):
        AttentionRollout(explanandum(swin, 64))
    convolution = nn.Sequential(nn.Conv2d(3, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(InputError, match=r"no self-attention.*grad_cam"):
        AttentionRollout(explanandum(convolution))
    with pytest.raises(InputError, match="weighting='mean'"):
        AttentionRollout(explanandum(Looking()), weighting="mean")
    with pytest.raises(InputError, match="batch_size=0"):
        AttentionRollout(explanandum(Looking()), batch_size=0)
    with torch.inference_mode(), pytest.raises(InputError, match="inference_mode"):
        AttentionRollout(explanandum(Looking()), weighting="gradient")(pictures(), "a")
