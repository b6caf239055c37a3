"""An audit whose photos are explained on a cluster finds what one on this machine finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from explanans.audit import Photos, Settings, audit
from explanans.audit.pass_over import Spread
from explanans.audit.run import TABLE
from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.sources import Source, build
from explanans.explainers.named import Named
from explanans.images.preprocessing import Preprocessing

from ..local_ray import local_ray  # noqa: TID252 - tests are no package with a name
from .conftest import CLASSES, SIZE, Square

pytest.importorskip("ray", reason="needs the extra ray")


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As on a cluster, so that the bytes are the same."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_on_a_cluster_the_same_is_found(one_thread: None, make_photos: Callable[..., Photos], tmp_path: Path) -> None:
    torch.manual_seed(0)
    source = Source("explanans:small_resnet", {"num_classes": len(CLASSES), "widths": [4, 8]})
    module = build(source)
    # It sees one class everywhere, and none of the others.
    module.head.bias.data = torch.tensor([9.0, -9.0, -9.0])  # type: ignore[union-attr]
    preprocessing = Preprocessing(SIZE, (0.5,) * 3, (0.5,) * 3)
    seeing = Explanandum(module, classes=CLASSES, activation="sigmoid", preprocessing=preprocessing, source=source)
    who = Named(str(seeing.save(tmp_path / "classifier")), method="grad_cam")
    photos = make_photos([[Square("red", 4 + n, 4)] for n in range(7)])
    broken = photos.data.paths[4]
    broken.write_bytes(b"no picture")
    settings = Settings(shard_size=2, batch_size=2)
    here = audit(who.load(), photos, tmp_path / "here", settings, workers=0)
    with local_ray():
        spread = audit(who.load(), photos, tmp_path / "spread", settings, workers=0, spread=Spread(who, actors=2))
    assert (spread.photos, spread.failed) == (here.photos, here.failed)
    assert (here.photos, len(here.failed)) == (6, 1)
    one, other = (pq.read_table(folder / TABLE) for folder in (here.folder, spread.folder))
    assert one.num_rows >= 6
    assert one.equals(other)
    # All of it is there: without a cluster the audit is gone on with.
    again = audit(who.load(), photos, tmp_path / "spread", settings, workers=0)
    assert again.classes == here.classes
