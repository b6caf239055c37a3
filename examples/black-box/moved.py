"""How well a surrogate stands in on pictures as they are, mirrored and turned: `fit --augment` shows it those too.

    python examples/black-box/moved.py SURROGATE BOX DATA [--pictures 600]

The box is asked 3 × PICTURES masked and whole pictures of the validation split.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from torch import Tensor

from explanans import Explanandum
from explanans.data import open_dataset
from explanans.training.surrogates import Queries, agreement_of, load_surrogate

MOVES: dict[str, Callable[[Tensor], Tensor]] = {
    "as they are": lambda images: images,
    "mirrored": lambda images: images.flip(-1),
    "turned": lambda images: torch.rot90(images, 1, (-2, -1)).contiguous(),
}


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("surrogate", "box", "data"):
        parser.add_argument(name)
    parser.add_argument("--pictures", type=int, default=600)
    arguments = parser.parse_args()
    box = Explanandum.load(arguments.box)
    surrogate, _ = load_surrogate(arguments.surrogate, box, allow_poor=True)
    data = open_dataset(arguments.data, "val", classes=box.classes, preprocessing=box.preprocessing, segmentation=False)
    queries = Queries(data, seed=2)
    numbers = range(arguments.pictures)
    whole = torch.tensor([queries.picture_of(number)[1] for number in numbers])
    images = torch.stack([queries[number] for number in numbers])
    for name, move in MOVES.items():
        asked, said = (torch.cat([each(part) for part in move(images).split(50)]) for each in (box, surrogate))
        for kind, chosen in (("whole", whole), ("masked", ~whole)):
            print(f"{name}, {kind}: {agreement_of(asked[chosen], said[chosen], box.activation)}", flush=True)


if __name__ == "__main__":
    main()
