"""LIME and KernelSHAP on superpixels, by captum (extra ``captum``)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.methods.base import listed
from explanans.methods.shared.captum import CaptumPerturbations, Tape, captum
from explanans.methods.shared.superpixels import superpixels
from explanans.utils.numbers import check_count


def weighted_ridge(features: Tensor, values: Tensor, weights: Tensor, penalty: float) -> Tensor:
    """Coefficients (K,) of Σ_s w_s (y_s − b − x_s · β)² + penalty · |β|², intercept b not penalised.

    Args:
        features: (S, K).
        values, weights: (S,).
    """
    features, values, weights = features.double(), values.double(), weights.double()
    total = weights.sum().clamp(min=1e-12)
    centred = features - (weights @ features) / total
    response = values - (weights @ values) / total
    root = weights.sqrt()[:, None]
    ridge = math.sqrt(penalty) * torch.eye(features.shape[1], dtype=features.dtype, device=features.device)
    system = torch.cat([root * centred, ridge])
    wanted = torch.cat([root * response[:, None], ridge.new_zeros(len(ridge), 1)])
    # The smallest solution where there are several: fewer samples than superpixels.
    return (torch.linalg.pinv(system) @ wanted)[:, 0]


class _Ridge:
    """:func:`weighted_ridge` as captum calls a model of its own, which would need scikit-learn."""

    def __init__(self, penalty: float) -> None:
        self.penalty = penalty
        self.coefficients = torch.empty(0)

    def fit(self, train_data: Any, **settings: Any) -> None:
        # captum hands over everything as one batch.
        ((features, values, weights),) = train_data
        weights = weights.to(values.device)
        self.coefficients = weighted_ridge(features.to(values.device), values, weights, self.penalty).to(values.dtype)

    def representation(self) -> Tensor:
        return self.coefficients


class _Surrogate(CaptumPerturbations):
    """A linear model of the logit over superpixels that are there or covered.

    ``samples`` forward passes of one image, whatever the number of classes. A superpixel's coefficient is the value of
    its pixels, in logits.

    Args:
        samples: perturbed images.
        segments: about how many superpixels an image is cut into, see
            :func:`~explanans.methods.shared.superpixels.superpixels`.
    """

    asks_often = True

    def __init__(self, explanandum: Explanandum, *, samples: int = 1000, segments: int = 50, **settings: Any) -> None:
        super().__init__(explanandum, **settings)
        self.samples, self.segments = check_count("samples", samples, 3), check_count("segments", segments, 2)

    def questions(self, height: int, width: int) -> int:
        """One for each sample; of what is the same everywhere there is none."""
        return self.samples

    def prepare(self, image: Tensor) -> Tensor:
        picture = self.explanandum.preprocessing.denormalise(image)
        return superpixels(picture.float(), self.segments)[:, None]

    def _method(self, classify: Tape) -> Any:
        raise NotImplementedError

    def attribute(self, classify: Tape, image: Tensor, index: int, prepared: Tensor) -> Tensor:
        if prepared.max() < 1:
            return torch.zeros_like(image[:, :1])
        return self._method(classify).attribute(
            image,
            baselines=0,
            target=index,
            feature_mask=prepared.expand_as(image),
            n_samples=self.samples,
            perturbations_per_eval=self.batch_size,
        )[:, :1]


@listed("lime", "LIME", extra="captum")
class LIME(_Surrogate):
    """LIME (Ribeiro et al., KDD 2016): each superpixel on or off by a coin, ridge regression, samples near the image
    weighted by exp(−d² / kernel²), d the cosine distance between on-off vectors and the image's own.

    Args:
        kernel: width of the weighting.
        penalty: of the ridge.
    """

    def __init__(
        self, explanandum: Explanandum, *, kernel: float = 0.25, penalty: float = 1.0, **settings: Any
    ) -> None:
        super().__init__(explanandum, **settings)
        if not (kernel > 0 and penalty >= 0):
            raise InputError(f"kernel={kernel}, penalty={penalty}; want kernel above 0 and penalty at least 0.")
        self.kernel, self.penalty = kernel, penalty

    def _weight(self, image: Tensor, perturbed: Tensor, switches: Tensor, **facts: Any) -> Tensor:
        # The cosine between k ones out of K and K ones.
        distance = 1 - switches.float().mean(1).sqrt()
        return (-(distance**2) / self.kernel**2).exp()

    def _method(self, classify: Tape) -> Any:
        return captum().Lime(classify, interpretable_model=_Ridge(self.penalty), similarity_func=self._weight)


@listed("kernel_shap", "KernelSHAP", extra="captum")
class KernelSHAP(_Surrogate):
    """KernelSHAP (Lundberg & Lee, NeurIPS 2017): Shapley values of the superpixels by weighted linear regression.

    Subsets are drawn by the Shapley kernel; the empty and the whole image count a million times, so that the values sum
    to the logit of the image minus that of the mean colour.
    """

    def _method(self, classify: Tape) -> Any:
        attr = captum()
        # Not by its own constructor, which imports scikit-learn for the regression.
        method = attr.KernelShap.__new__(attr.KernelShap)
        attr.Lime.__init__(
            method,
            classify,
            interpretable_model=_Ridge(0.0),
            similarity_func=method.kernel_shap_similarity_kernel,
            perturb_func=method.kernel_shap_perturb_generator,
        )
        method.inf_weight = 1e6
        return method
