"""Pictures with image-level labels and, where the data has them, segmentations: the base of the data family."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NotRequired, Self, TypedDict

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as transforms

from explanans.data.cache import PixelCache
from explanans.data.index_maps import IndexLookup, read_index_map
from explanans.data.joint_augment import Augment, apply_augment
from explanans.data.splits import part_of
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.images.reading import ImageError, image_size, read_image
from explanans.images.segmentations import BACKGROUND, numbers_type, void_of
from explanans.utils.text import few


class Sample(TypedDict):
    """One image, ready for a classifier.

    image: (3, H, W) float32, normalised. labels: (C,) float32, multi-hot. segmentation: (H, W), 0 background, c + 1 =
    class c; uint8 with 255 for void, or of more than 254 classes int32 with 65535; only where the data set has masks.
    maps: (P, h, w) uint8, what was laid beside the image (:meth:`LabelledImages.accompanied`). index: position in the
    data set that gave it.
    """

    image: Tensor
    labels: Tensor
    segmentation: NotRequired[Tensor]
    maps: NotRequired[Tensor]
    index: int


class LabelledImages(Dataset[Sample]):
    """A list of picture files with labels; what every data set of the family is.

    ``labels`` and ``names`` are known without decoding a picture. A segmentation is only ever resized with nearest
    neighbour. Augmentation changes pixels, never labels: a crop may lose an object that ``labels`` still has.

    Some images of a list may have a segmentation and others not. Such a data set is one for training: its samples have
    none, so that all are alike. :meth:`with_segmentation` is the data set of those that have one, for measuring.

    Args:
        name: what the data is called in results.
        classes: the C class names.
        paths: a picture file for each image.
        names: an identifier for each image.
        labels: (N, C) float32, multi-hot.
        segmentations: an index map file of the picture's own size for each image, None where it has none; None where
            none has.
        lookup: from a map's values to classes, see :func:`~explanans.data.index_maps.index_lookup`; needed where
            there are segmentations.
        preprocessing: size and normalisation of ``image``.
        augment: called with the resized ``tv_tensors.Image`` (uint8) and, where there are masks, the
            ``tv_tensors.Mask``, so that a transform of torchvision.transforms.v2 moves both; returns the same in the
            same size.
        cache: keep the resized pictures and masks in shared memory; each is decoded once, for all loader workers
            and all epochs.

    Attributes:
        background: classes that :meth:`with_background` took away.
    """

    def __init__(
        self,
        *,
        name: str,
        classes: Sequence[str],
        paths: Sequence[Path],
        names: Sequence[str],
        labels: Tensor,
        segmentations: Sequence[Path | None] | None = None,
        lookup: IndexLookup | None = None,
        preprocessing: Preprocessing,
        augment: Augment | None = None,
        cache: bool = False,
    ) -> None:
        if (segmentations is None) != (lookup is None):
            raise InputError("segmentations and lookup go together; give both or neither.")
        self.name = name
        self.classes = tuple(classes)
        self.paths = tuple(paths)
        self.names = tuple(names)
        self.labels = labels
        self.segmentations = None if segmentations is None else tuple(segmentations)
        self._wanted, self._void, self._segmented = True, False, self._all_segmented()
        self.preprocessing = preprocessing
        self.augment = augment
        self._lookup = lookup
        self.background: tuple[str, ...] = ()
        self._foreground: Tensor | None = None
        self._maps: tuple[Tensor, ...] | None = None
        self._numbers = numbers_type(len(self.classes)) if lookup is None else lookup.dtype
        self._cache = self._new_cache() if cache else None
        self._slots: Sequence[int] = range(len(self.paths))

    @property
    def has_segmentation(self) -> bool:
        """Whether every image, and so every sample, has a segmentation."""
        return self._segmented

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Sample:
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is outside {self.name} with {len(self)} images")
        index = index % len(self)
        image, segmentation = self._pixels(index)
        maps = None if self._maps is None else self._maps[index]
        if self.augment is not None:
            image, segmentation, maps = apply_augment(self.augment, image, segmentation, maps)
        sample = Sample(
            image=self.preprocessing.normalise(image),
            labels=self.labels[index].clone(),
            index=index,
        )
        if segmentation is not None:
            sample["segmentation"] = self._without_background(segmentation)
        if maps is not None:
            sample["maps"] = maps
        return sample

    def picture(self, index: int) -> Image.Image:
        """The picture at its own resolution, RGB."""
        return read_image(self.paths[index])

    def segmentation_map(self, index: int) -> Tensor:
        """(H, W) at the picture's own resolution: 0 background, c + 1 = class c, and void; uint8 or int32 as in
        :class:`Sample`.

        Raises:
            InputError: the image has no segmentation.
            ImageError: an unknown value, or another size than the picture's.
        """
        return self._without_background(self._full_segmentation(index))

    def _full_segmentation(self, index: int) -> Tensor:
        path = None if self.segmentations is None else self.segmentations[index]
        if path is None and self._void:
            size = image_size(self.paths[index])
            return torch.from_numpy(np.full(size, void_of(self._numbers), self._numbers))
        if path is None:
            raise InputError(
                f"{self.name} has no segmentation for {self.names[index]}; ask has_segmentation first, or take "
                "with_segmentation()."
            )
        values = self._read_segmentation(index, path)
        expected = image_size(self.paths[index])
        if values.shape != expected:
            raise ImageError(
                f"the segmentation has {values.shape[0]} x {values.shape[1]} pixels (height x width), its picture "
                f"{self.paths[index]} has {expected[0]} x {expected[1]}",
                path,
            )
        return torch.from_numpy(values)

    def subset(self, indices: Sequence[int] | Tensor) -> Self:
        """The same data set with these images in this order; a cache is shared with this one."""
        chosen = indices.tolist() if isinstance(indices, Tensor) else list(indices)
        for i in chosen:
            if isinstance(i, bool) or not 0 <= i < len(self):
                raise InputError(f"indices holds {i!r}; {self.name} has the indices 0 ... {len(self) - 1}.")
        return self._chosen(chosen, f"{self.name} ({len(chosen)} of {len(self)})")

    def select(self, part: str) -> Self:
        """The part of the list that ``"[:90%]"`` or ``"[200:]"`` names, see :func:`~explanans.data.splits.part_of`."""
        return self._chosen(part_of(part, len(self)), self.name + part)

    def with_segmentation(self) -> Self:
        """The images that have a segmentation; this data set itself where all have.

        Raises:
            InputError: none has, or this is a data set :meth:`without_segmentation`.
        """
        if self.has_segmentation:
            return self
        if not self._wanted:
            raise InputError(f"{self.name} was opened without its segmentations; open it with them.")
        chosen = [i for i, path in enumerate(self.segmentations or ()) if path is not None]
        return self._chosen(chosen, f"{self.name} ({len(chosen)} of {len(self)} with segmentation)")

    def with_void(self) -> Self:
        """The same images, all with a segmentation: where one has none, every pixel is void.

        Raises:
            InputError: none has one, or this is a data set :meth:`without_segmentation`.
        """
        if self.has_segmentation:
            return self
        self.with_segmentation()
        filled = copy.copy(self)
        filled._void = filled._segmented = True
        filled._cache, filled._slots = (None if self._cache is None else filled._new_cache()), range(len(filled))
        return filled

    def without_segmentation(self, *, cache: bool = False) -> Self:
        """The same images, whose samples have no segmentation: a training that needs none is then fed faster.

        Args:
            cache: as for the data set itself, because what this one has cached is not shared.
        """
        bare = copy.copy(self)
        bare._wanted = bare._segmented = False
        bare._cache, bare._slots = bare._new_cache() if cache else None, range(len(bare))
        return bare

    def with_what_is_drawn(self) -> Self:
        """The same images, to measure with: where some have a segmentation all have, void where there is none.

        Also of a data set :meth:`without_segmentation`; where no image has one, this data set itself.
        """
        if self.has_segmentation:
            return self
        drawn = copy.copy(self)
        drawn._wanted = True
        drawn._segmented = drawn._all_segmented()
        if not drawn.has_segmentation and not any(self.segmentations or ()):
            return self
        drawn._void, drawn._segmented = not drawn.has_segmentation, True
        drawn._cache, drawn._slots = None, range(len(drawn))
        return drawn

    def with_background(self, classes: Sequence[str]) -> Self:
        """The same images, in which these classes are background: no label, and 0 in the segmentation.

        Raises:
            InputError: a name that is none of the classes.
        """
        unknown = [name for name in classes if name not in self.classes]
        if unknown:
            raise InputError(f"background: {unknown} are no classes of {self.name}; take of {few(self.classes)}.")
        changed = copy.copy(self)
        changed.background = tuple(dict.fromkeys((*self.background, *classes)))
        positions = [self.classes.index(name) for name in changed.background]
        changed.labels = self.labels.clone()
        changed.labels[:, positions] = 0
        changed._foreground = torch.from_numpy(np.arange(void_of(self._numbers) + 1, dtype=self._numbers))
        changed._foreground[[1 + position for position in positions]] = BACKGROUND
        return changed

    def accompanied(self, maps: Sequence[Tensor]) -> Self:
        """The same images, each with maps (P, h, w) uint8 of its own in its samples, which augmentation moves along.

        Raises:
            InputError: not one for each image.
        """
        if len(maps) != len(self):
            raise InputError(f"maps: {len(maps)} for the {len(self)} images of {self.name}; give one for each.")
        changed = copy.copy(self)
        changed._maps = tuple(maps)
        return changed

    def fingerprint(self) -> str:
        """SHA-256 over the classes and, image by image, name, file sizes and labels; equal where the data is equal."""
        digest = hashlib.sha256(repr(self.classes).encode())
        maps = self.segmentations or (None,) * len(self)
        for name, path, segmentation, labels in zip(self.names, self.paths, maps, self.labels.tolist(), strict=True):
            sizes = (path.stat().st_size, segmentation.stat().st_size if segmentation else None)
            digest.update(repr((name, sizes, labels)).encode())
        return digest.hexdigest()

    def _chosen(self, indices: Sequence[int], name: str) -> Self:
        if not indices:
            raise InputError(f"{name} would hold none of the {len(self)} images.")
        chosen = copy.copy(self)
        chosen.name = name
        chosen.paths = tuple(self.paths[i] for i in indices)
        chosen.names = tuple(self.names[i] for i in indices)
        chosen.labels = self.labels[list(indices)]
        chosen.segmentations = self.segmentations and tuple(self.segmentations[i] for i in indices)
        chosen._maps = self._maps and tuple(self._maps[i] for i in indices)
        chosen._segmented = chosen._wanted and (chosen._void or chosen._all_segmented())
        if self._cache is not None and chosen.has_segmentation != self.has_segmentation:
            # This one's cache has no room for segmentations.
            chosen._cache, chosen._slots = chosen._new_cache(), range(len(chosen))
        else:
            chosen._slots = [self._slots[i] for i in indices]
        return chosen

    def _without_background(self, segmentation: Tensor) -> Tensor:
        return segmentation if self._foreground is None else self._foreground[segmentation.long()]

    def _all_segmented(self) -> bool:
        """Whether every image has a segmentation; a data set that has them in no files of their own says so itself."""
        return self.segmentations is not None and None not in self.segmentations

    def _new_cache(self) -> PixelCache:
        size = (self.preprocessing.height, self.preprocessing.width)
        wide = self._numbers != np.uint8
        return PixelCache(len(self.paths), size, self.has_segmentation, self.preprocessing.channels, wide=wide)

    def _read_segmentation(self, index: int, path: Path) -> np.ndarray:
        """What a segmentation file says: (H, W), 0 background, c + 1 = class c, and void."""
        assert self._lookup is not None
        return read_index_map(path, self._lookup)

    def _pixels(self, index: int) -> tuple[Tensor, Tensor | None]:
        """Resized uint8 picture and segmentation, from the cache or from their files."""
        kept = self._cache.get(self._slots[index]) if self._cache is not None else None
        if kept is not None:
            return kept
        size = (self.preprocessing.height, self.preprocessing.width)
        # In the cache's layout: in another, torch's generators draw other noise for the same picture.
        image = self.preprocessing.resize(read_image(self.paths[index], fit=size)).contiguous()
        segmentation = None
        if self.has_segmentation:
            # NEAREST_EXACT has pixel centres where the picture's resize has them; NEAREST is off by half a pixel.
            full = self._full_segmentation(index)[None]
            segmentation = transforms.resize(full, list(size), interpolation=InterpolationMode.NEAREST_EXACT)[0]
        if self._cache is not None:
            self._cache.put(self._slots[index], image, segmentation)
        return image, segmentation
