"""Two of Grad-CAM's family: other weights for the same activations and gradients."""

from __future__ import annotations

from torch import Tensor

from explanans.methods.base import listed
from explanans.methods.grad_cam import GradCAM


def grad_cam_pp(activations: Tensor, gradients: Tensor) -> Tensor:
    """Grad-CAM++ (Chattopadhay et al., WACV 2018), equations 5, 11 and 19; (N, K, h, w) each → (N, h, w).

    relu(Σ_k w_k A_k) with w_k = Σ_ij α_ij relu(g_ij) and α_ij = g² / (2 g² + Σ_ab A_ab · g³), 0 where g is 0. As in the
    paper's derivation the score is exp(logit), whose factor exp(logit) is left out: it only scales the map.
    """
    squared = gradients.square()
    below = 2 * squared + activations.sum((2, 3), keepdim=True) * squared * gradients
    # Negative sums of activations can bring the denominator to 0; such a position has no say.
    alpha = (squared / below).nan_to_num(0, 0, 0)
    weights = (alpha * gradients.relu()).sum((2, 3), keepdim=True)
    return (weights * activations).sum(1).relu()


def layer_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """LayerCAM (Jiang et al., TIP 2021): relu(Σ_k relu(g_k) A_k), each position with its own weight; → (N, h, w)."""
    return (gradients.relu() * activations).sum(1).relu()


@listed("grad_cam_pp", "Grad-CAM++", needs=("gradients", "layers"))
class GradCAMPlusPlus(GradCAM):
    """Class maps as :class:`~explanans.methods.grad_cam.GradCAM` makes them, by :func:`grad_cam_pp`."""

    combine = staticmethod(grad_cam_pp)


@listed("layer_cam", "LayerCAM", needs=("gradients", "layers"))
class LayerCAM(GradCAM):
    """Class maps as :class:`~explanans.methods.grad_cam.GradCAM` makes them, by :func:`layer_cam`.

    With ``layer`` an earlier layer it gives finer maps than Grad-CAM does there.
    """

    combine = staticmethod(layer_cam)
