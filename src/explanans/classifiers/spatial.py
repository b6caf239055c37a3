"""One spatial view (N, K, h, w) of what a layer returns, whether it is a feature map or a sequence of tokens."""

from __future__ import annotations

import math

from torch import Tensor

# Class, distillation and register tokens; published transformers have at most 9.
MOST_PREFIX_TOKENS = 9


def fits(grid: tuple[int, int], size: tuple[int, int]) -> bool:
    """Whether h x w positions may lie over an image of H x W pixels.

    More than one position, no more than pixels, and the image's aspect ratio up to one row or column.
    """
    (height, width), (image_height, image_width) = grid, size
    same_aspect = abs(height * image_width - width * image_height) < max(image_height, image_width)
    return height * width > 1 and height <= image_height and width <= image_width and same_aspect


def token_grid(count: int, size: tuple[int, int]) -> tuple[int, int, int] | None:
    """How ``count`` tokens lie over an image of H x W pixels: (rows, columns, tokens before them), or None.

    197 tokens of a square image are 14 x 14 patches after one class token. The largest grid wins that leaves at most
    :data:`MOST_PREFIX_TOKENS`; it has at least two rows and columns.
    """
    for prefix in range(min(MOST_PREFIX_TOKENS, count - 4) + 1):
        patches = count - prefix
        middle = round(math.sqrt(patches * size[0] / size[1]))
        for rows in sorted(range(max(2, middle - 1), middle + 2), key=lambda each: abs(each - middle)):
            columns, rest = divmod(patches, rows)
            if not rest and columns > 1 and fits((rows, columns), size):
                return rows, columns, prefix
    return None


def spatial_view(output: Tensor, size: tuple[int, int]) -> Tensor | None:
    """The features of a layer by position, (N, K, h, w): a view, through which gradients flow.

    - (N, K, h, w), as convolutions have it: the very same tensor;
    - (N, h, w, K), as Swin has it: permuted;
    - (N, 1 + h·w, K), as vision transformers have it: without the tokens in front (see :func:`token_grid`), row by row.

    Args:
        output: what the layer returned for a batch of images.
        size: height and width of those images in pixels; tells positions from channels.

    Returns:
        None where none of these fits.
    """
    if output.ndim == 4:
        if fits((output.shape[2], output.shape[3]), size):
            return output
        if fits((output.shape[1], output.shape[2]), size):
            return output.permute(0, 3, 1, 2)
    if output.ndim == 3:
        grid = token_grid(output.shape[1], size)
        if grid is not None:
            rows, columns, prefix = grid
            return output[:, prefix:].transpose(1, 2).unflatten(2, (rows, columns))
    return None


def feature_grid(output: Tensor, images: Tensor) -> Tensor:
    """(N, K, h, w) of what a layer that was named or found returned for these images."""
    view = spatial_view(output, (images.shape[-2], images.shape[-1]))
    return output if view is None else view
