"""A cluster of processes on this machine, one of which is killed in the middle."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from explanans.deploy.batch import Options, explain_shards
from explanans.deploy.batch.cluster import explain_on_cluster
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.explainers.named import Named

from ...local_ray import local_ray  # noqa: TID252 - tests are no package with a name

pytest.importorskip("ray", reason="needs the extra ray")

OPTIONS = Options(batch_size=2, top_k=2, receipts=True)
TURNS = 2


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    with local_ray():
        yield


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found if "/." not in str(path)}


def mortal(saved: Path, died: Path) -> Named:
    """Who explains; the actor that first comes to its third shard is killed, and writes into ``died`` before."""

    # Ray sends classes that stand in a function as they are; an actor cannot import this file.
    class Mortal(Named):
        def load(self) -> Any:
            from explanans.deploy.batch.job import Job

            if os.getpid() != driver:
                write, written = Job.write, []

                def killed(job: Job, number: int, contents: Any) -> None:
                    if len(written) == 2:
                        # Only one of them may.
                        with suppress(FileExistsError):
                            with died.open("x") as file:
                                json.dump({"pid": os.getpid(), "before": written, "lost": number}, file)
                            os.kill(os.getpid(), signal.SIGKILL)
                    write(job, number, contents)
                    written.append(number)

                Job.write = killed  # type: ignore[method-assign]
            return super().load()

    driver = os.getpid()
    return Mortal(str(saved))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_an_actor_that_is_killed_costs_nothing(cluster: None, saved: Path, photos: Path, tmp_path: Path) -> None:
    images, out = [photos] * TURNS, tmp_path / "cluster"
    # Of 22 shards one of two actors makes eleven at least.
    outcome = explain_on_cluster(mortal(saved, tmp_path / "died"), images, out, OPTIONS, shard_size=1, actors=2)
    died = json.loads((tmp_path / "died").read_text())
    assert died["pid"] != os.getpid()
    assert len({*died["before"], died["lost"]}) == 3
    explainer = Explainer.from_pretrained(saved).folded()
    alone = explain_shards(explainer, images, tmp_path / "alone", replace(OPTIONS, threads=1), shard_size=1, workers=0)
    assert outcome == alone
    assert (outcome.pictures, len(outcome.failed)) == (11 * TURNS, TURNS)
    assert files(out) == files(tmp_path / "alone")
    # Everything is there: a second call has nothing to do.
    again = explain_on_cluster(Named(str(saved)), images, out, OPTIONS, shard_size=1)
    assert again.earlier == again.pictures


def test_what_is_wrong_is_said_before_an_actor_starts(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        explain_on_cluster(Named(str(saved)), [tmp_path / "absent"], tmp_path / "out", OPTIONS)
