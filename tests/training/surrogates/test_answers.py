from __future__ import annotations

import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from explanans.classifiers.explanandum import Explanandum
from explanans.data import LabelledImages
from explanans.errors import InputError
from explanans.training.surrogates import Answers, Queries
from explanans.training.surrogates.answers import ANSWERS, SPENT

from ...programs import Programs  # noqa: TID252 - tests are no package with a name


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
    with pytest.raises(
        InputError, match=r"failed at query 8 \(ConnectionError: gone\)\. Its 8 answers are kept"
    ) as found:
        Answers(tmp_path, box, Queries(pictures)).ask(20, batch_size=4)
    assert isinstance(found.value.__cause__, ConnectionError)
    box.module.fails_after = None
    answers = Answers(tmp_path, box, Queries(pictures))
    # A batch that failed was not answered.
    assert (answers.count, answers.spent) == (8, 8)
    answers.ask(20, batch_size=4)
    assert box.module.asked == 20


def test_a_box_that_answers_nan_is_named(box: Explanandum, pictures: LabelledImages, tmp_path: Path) -> None:
    box.module.broken = 6
    queries = Queries(pictures)
    name = queries.name_of(6)
    with pytest.raises(InputError, match=rf"answered '{name}' \(query 6\) with NaN .*6 answers are kept"):
        Answers(tmp_path, box, queries).ask(20, batch_size=4)
    answers = Answers(tmp_path, box, queries)
    assert (answers.count, answers.spent) == (6, 8)
    assert answers.logits().isfinite().all()


def test_half_an_answer_is_asked_again_and_counts_twice(
    box: Explanandum, pictures: LabelledImages, tmp_path: Path
) -> None:
    Answers(tmp_path, box, Queries(pictures)).ask(6)
    whole = Answers(tmp_path, box, Queries(pictures)).logits()
    path = tmp_path / ANSWERS
    path.write_bytes(path.read_bytes()[:-5])
    answers = Answers(tmp_path, box, Queries(pictures))
    assert (answers.count, answers.spent) == (5, 6)
    assert torch.equal(answers.logits(), whole[:5])
    answers.ask(6)
    assert box.module.asked == 6, "the budget is spent, though an answer was lost"
    answers.ask(7)
    assert box.module.asked == 7
    assert torch.equal(answers.logits(), whole)


def test_a_torn_entry_of_what_is_spent_does_not_count(
    box: Explanandum, pictures: LabelledImages, tmp_path: Path
) -> None:
    Answers(tmp_path, box, Queries(pictures)).ask(4)
    with (tmp_path / SPENT).open("a") as file:
        file.write("1")
    answers = Answers(tmp_path, box, Queries(pictures))
    assert answers.spent == 4
    answers.ask(6)
    assert (tmp_path / SPENT).read_text() == "4\n6\n"
    assert Answers(tmp_path, box, Queries(pictures)).spent == 6
    # Answers from before there was such a file.
    (tmp_path / SPENT).unlink()
    assert Answers(tmp_path, box, Queries(pictures)).spent == 6


@pytest.mark.skipif(sys.platform == "win32", reason="needs file locks")
def test_two_processes_do_not_mix_their_answers(box: Explanandum, pictures: LabelledImages, tmp_path: Path) -> None:
    first, second = (Answers(tmp_path, box, Queries(pictures)) for _ in range(2))
    found = []

    def meanwhile(_: int) -> None:
        with pytest.raises(InputError, match="another process is writing into answers="):
            second.ask(8, batch_size=4)
        found.append(1)

    first.ask(8, batch_size=4, progress=meanwhile)
    assert found == [1, 1]
    assert box.module.asked == 8
    # The second sees what the first has done, although it was opened before.
    second.ask(10, batch_size=4)
    assert box.module.asked == 10
    assert second.count == 10


def test_other_questions_are_refused(box: Explanandum, pictures: LabelledImages, tmp_path: Path) -> None:
    Answers(tmp_path, box, Queries(pictures)).ask(2)
    with pytest.raises(InputError, match="seed was 0, is 1"):
        Answers(tmp_path, box, Queries(pictures, seed=1))
    box.module.weights += 1
    other = Explanandum(box.module, classes=box.classes, activation=box.activation, preprocessing=box.preprocessing)
    with pytest.raises(InputError, match=r"other settings: box\.weights_hash was"):
        Answers(tmp_path, other, Queries(pictures))


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("queries.json", b"", "is empty; put back a copy of it, or name a new folder"),
        ("queries.json", b"[]", "holds a list"),
        ("queries.json", b'{"box": {}, "data": {}, "seed": "0", "fill": "x"}', "has a str in seed"),
        (SPENT, b"\xff\n", "is damaged or something else"),
        (SPENT, b"many\n", "is damaged or something else"),
    ],
)
def test_damaged_files_are_named(
    box: Explanandum, pictures: LabelledImages, tmp_path: Path, name: str, content: bytes, fault: str
) -> None:
    Answers(tmp_path, box, Queries(pictures)).ask(4)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name} \(.*\) {fault}"):
        Answers(tmp_path, box, Queries(pictures))


def test_numbers_that_no_box_may_say_are_damage(box: Explanandum, pictures: LabelledImages, tmp_path: Path) -> None:
    answers = Answers(tmp_path, box, Queries(pictures))
    answers.ask(4)
    path = tmp_path / ANSWERS
    path.write_bytes(path.read_bytes()[:-4] + np.float32(np.nan).tobytes())
    with pytest.raises(InputError, match=r"answers\.f32 \(answers of a box\) is damaged: it holds NaN"):
        answers.logits()


def test_answers_without_their_questions_are_refused(
    box: Explanandum, pictures: LabelledImages, tmp_path: Path
) -> None:
    Answers(tmp_path, box, Queries(pictures)).ask(4)
    (tmp_path / "queries.json").unlink()
    with pytest.raises(InputError, match=r"answers=.* holds other things \(answers\.f32, spent\.txt\) and no queries"):
        Answers(tmp_path, box, Queries(pictures))


KILLED = """
import os, signal, sys
sys.path.insert(0, {here!r})
from conftest import Box, PREPROCESSING, CLASSES
from explanans.data import open_dataset
from explanans.classifiers.explanandum import Explanandum
from explanans.training.surrogates import Answers, Queries

def kill(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)

class Mortal(Box):
    def forward(self, images):
        answers = super().forward(images)
        if self.asked > 8:
            {asking}
        return answers

box = Explanandum(Mortal(), classes=tuple(CLASSES), activation="sigmoid", preprocessing=PREPROCESSING)
# Whatever it was asked to see what it is.
box.module.asked = 0
options = dict(classes=box.classes, preprocessing=PREPROCESSING, segmentation=False)
data = open_dataset("scenes:{scenes}", "train", **options)
Answers({out!r}, box, Queries(data)).ask(100, batch_size=2, progress=lambda count: count == 10 and {done})
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
@pytest.mark.parametrize(("asking", "done", "lost"), [("kill()", "None", 2), ("pass", "kill()", 0)])
def test_killed_in_the_middle(
    box: Explanandum,
    pictures: LabelledImages,
    asked_scenes: Path,
    programs: Programs,
    tmp_path: Path,
    asking: str,
    done: str,
    lost: int,
) -> None:
    places = {"here": str(Path(__file__).parent), "scenes": asked_scenes, "out": str(tmp_path)}
    ended = programs.run(KILLED.format(**places, asking=asking, done=done))
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    answers = Answers(tmp_path, box, Queries(pictures))
    kept, spent = answers.count, answers.spent
    assert spent == 10
    assert spent - kept == lost, "the batch that was under way is lost, and nothing else"
    answers.ask(spent + 4)
    assert box.module.asked == 4
    assert answers.count == kept + 4
    expected = torch.stack([box(Queries(pictures)[number][None])[0] for number in range(kept + 4)])
    assert torch.allclose(answers.logits(), expected, atol=1e-6)
