from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from explanans.data import LabelledImages
from explanans.errors import InputError
from explanans.explanandum import Explanandum
from explanans.surrogates import Answers, Queries
from explanans.surrogates.answers import ANSWERS


def test_asked_once_and_never_more_than_allowed(box: Explanandum, pictures: LabelledImages, tmp_path: Path) -> None:
    queries = Queries(pictures)
    told: list[int] = []
    Answers(tmp_path, box, queries).ask(10, batch_size=4, progress=told.append)
    assert box.module.asked == 10
    assert told == [4, 8, 10]
    again = Answers(tmp_path, box, queries)
    again.ask(10, batch_size=4)
    assert box.module.asked == 10
    again.ask(13, batch_size=4)
    assert box.module.asked == 13
    expected = torch.stack([box(queries[number][None])[0] for number in range(13)])
    assert torch.allclose(again.logits(), expected, atol=1e-6)
    assert torch.equal(again.logits(2, 5), again.logits()[2:5])


def test_a_box_that_fails_loses_nothing(box: Explanandum, pictures: LabelledImages, tmp_path: Path) -> None:
    box.module.fails_after = 9
    with pytest.raises(ConnectionError):
        Answers(tmp_path, box, Queries(pictures)).ask(20, batch_size=4)
    box.module.fails_after = None
    answers = Answers(tmp_path, box, Queries(pictures))
    assert answers.count == 8
    answers.ask(20, batch_size=4)
    assert box.module.asked == 20


def test_half_an_answer_is_asked_again(box: Explanandum, pictures: LabelledImages, tmp_path: Path) -> None:
    Answers(tmp_path, box, Queries(pictures)).ask(6)
    whole = Answers(tmp_path, box, Queries(pictures)).logits()
    path = tmp_path / ANSWERS
    path.write_bytes(path.read_bytes()[:-5])
    answers = Answers(tmp_path, box, Queries(pictures))
    assert answers.count == 5
    answers.ask(6)
    assert torch.equal(answers.logits(), whole)


def test_other_questions_are_refused(box: Explanandum, pictures: LabelledImages, tmp_path: Path) -> None:
    Answers(tmp_path, box, Queries(pictures)).ask(2)
    with pytest.raises(InputError, match="seed differ"):
        Answers(tmp_path, box, Queries(pictures, seed=1))
    box.module.weights += 1
    other = Explanandum(box.module, classes=box.classes, activation=box.activation, preprocessing=box.preprocessing)
    with pytest.raises(InputError, match="box differ"):
        Answers(tmp_path, other, Queries(pictures))


def test_killed_in_the_middle(box: Explanandum, pictures: LabelledImages, scenes: Path, tmp_path: Path) -> None:
    script = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
from conftest import Box, PREPROCESSING, CLASSES
from explanans.data import open_dataset
from explanans.explanandum import Explanandum
from explanans.surrogates import Answers, Queries
box = Explanandum(Box(), classes=tuple(CLASSES), activation="sigmoid", preprocessing=PREPROCESSING)
data = open_dataset("scenes:{scenes}", "train", classes=box.classes, preprocessing=PREPROCESSING, segmentation=False)
Answers({str(tmp_path)!r}, box, Queries(data)).ask(10_000, batch_size=2, progress=lambda count: time.sleep(0.02))
"""
    process = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "OMP_NUM_THREADS": "1"})
    path = tmp_path / ANSWERS
    deadline = time.monotonic() + 60
    while (not path.is_file() or path.stat().st_size < 200) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    answers = Answers(tmp_path, box, Queries(pictures))
    kept = answers.count
    assert kept >= 2
    answers.ask(kept + 4)
    assert box.module.asked == 4
    expected = torch.stack([box(Queries(pictures)[number][None])[0] for number in range(kept + 4)])
    assert torch.allclose(answers.logits(), expected, atol=1e-6)
