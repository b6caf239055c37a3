"""A cluster of processes on this machine, one of which is killed in the middle."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from explanans.deploy.batch import Options, explain_shards
from explanans.deploy.batch.cluster import explain_on_cluster
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.explainers.named import Named

ray = pytest.importorskip("ray", reason="needs the extra ray")

OPTIONS = Options(batch_size=2, top_k=2, receipts=True)
TURNS = 8


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=100 * 2**20, log_to_driver=False)
    yield
    ray.shutdown()


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found if "/." not in str(path)}


def actors() -> list[int]:
    """Process numbers of the actors that make shards."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            name = each.read_bytes().decode(errors="ignore")
        except OSError:
            continue
        if name.startswith("ray::") and "MapWorker" in name:
            found.append(int(each.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/cmdline").is_file(), reason="finds processes in /proc")
def test_an_actor_that_is_killed_costs_nothing(cluster: None, saved: Path, photos: Path, tmp_path: Path) -> None:
    killed: list[int] = []

    def kill() -> None:
        deadline = time.monotonic() + 60
        while not killed and time.monotonic() < deadline:
            if len(list((tmp_path / "cluster").glob("0000/[0-9]*/images.parquet"))) >= 2:
                for process in actors()[:1]:
                    os.kill(process, signal.SIGKILL)
                    killed.append(process)
            time.sleep(0.01)

    killer = threading.Thread(target=kill)
    killer.start()
    images = [photos] * TURNS
    outcome = explain_on_cluster(Named(str(saved)), images, tmp_path / "cluster", OPTIONS, shard_size=1, actors=2)
    killer.join()
    assert killed
    explainer = Explainer.from_pretrained(saved).folded()
    alone = explain_shards(explainer, images, tmp_path / "alone", replace(OPTIONS, threads=1), shard_size=1, workers=0)
    assert outcome == alone
    assert (outcome.pictures, len(outcome.failed)) == (11 * TURNS, TURNS)
    assert files(tmp_path / "cluster") == files(tmp_path / "alone")
    # Everything is there: a second call has nothing to do.
    again = explain_on_cluster(Named(str(saved)), images, tmp_path / "cluster", OPTIONS, shard_size=1)
    assert again.earlier == again.pictures


def test_what_is_wrong_is_said_before_an_actor_starts(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        explain_on_cluster(Named(str(saved)), [tmp_path / "absent"], tmp_path / "out", OPTIONS)
