"""Clumsy configurations: status 2, no traceback, and a message that names what is wrong and the next step."""

from __future__ import annotations

from pathlib import Path

import pytest

from explanans.cli.main import main

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
)

CONFIGS: list[tuple[str, bytes, str, str]] = [
    ("a bomb", LAUGHS.encode(), "its aliases stand for more than 100,000 values", "write out what is needed"),
    ("an alias of itself", b"run: &a [*a]\n", "an alias holds itself", "write the values out"),
    ("a name twice", b"out: a\nout: b\n", "line 2: 'out' is given twice", "leave one of them out"),
    ("a name twice inside", b"run:\n  seed: 1\n  seed: 2\n", "line 3: 'seed' is given twice", "leave one of them out"),
    ("bytes", b"\x80\x81\x82", "is no text in UTF-8 (byte 0)", "save it as UTF-8"),
    ("UTF-16", "out: x\n".encode("utf-16"), "is no text in UTF-8 (byte 0)", "save it as UTF-8"),
    ("Latin-1", "out: Größe\n".encode("latin-1"), "is no text in UTF-8 (byte 7)", "save it as UTF-8"),
    ("a picture", b"\x89PNG\r\n\x1a\n\x00\x00", "is no text in UTF-8", "save it as UTF-8"),
    ("nothing", b"", "is empty", "write a line NAME: VALUE for each option"),
    ("a comment", b"# nothing\n", "is empty", "write a line NAME: VALUE"),
    ("a word", b"compact\n", "has no names of options", "write a line NAME: VALUE"),
    ("a list", b"- network: compact\n", "has no names of options", "write a line NAME: VALUE"),
    ("a number for a name", b"3: compact\n", "has no names of options", "write a line NAME: VALUE"),
    ("no YAML", b"out: [a\n", "line 2", "Mend that line"),
    ("a tab", b"\tout: a\n", "line 1", "Mend that line"),
    ("two documents", b"out: a\n---\nout: b\n", "another document", "Mend that line"),
    ("code", b"out: !!python/object/apply:os.system [echo]\n", "line 1", "Mend that line"),
    ("many levels", b"out: " + b"[\n" * 20_000, "too many levels", "Write plain names and values"),
    ("a slip", b"netwrok: compact\n", "netwrok", "did you mean --network"),
    ("another command's", b"folder: x\n", "folder", "--help lists them"),
    ("a slip inside", b"run: {epochs: 3}\n", "run.epochs", "did you mean --run.max_epochs"),
    ("no group", b"run: 3\n", "run=3", "give settings such as {max_epochs: …}"),
    ("null for a group", b"run: null\n", "run=null", "give settings such as {max_epochs: …}"),
    ("null for a number", b"run: {batch_size: null}\n", "run.batch_size=null", "give a whole number"),
    ("null for text", b"out: null\n", "out=null", "give text"),
    ("a word for a number", b"optimizer: {lr: fast}\n", "optimizer.lr='fast'", "give a finite number"),
    ("NaN", b"optimizer: {lr: .nan}\n", "optimizer.lr=nan", "give a finite number"),
    ("infinity", b"run: {min_delta: .inf}\n", "run.min_delta=inf", "give a finite number"),
    ("a truth for a number", b"run: {seed: yes}\n", "run.seed=True", "give a whole number"),
    ("a number for text", b"out: 2007\n", "out=2007", "put it into quotes"),
    ("a truth for text", b"augment: no\n", "augment=False", "give one of none, flip"),
    ("a list for text", b"out: [a, b]\n", "out=['a', 'b']", "give text"),
    ("a list for a number", b"run: {seed: [1, 2]}\n", "run.seed=[1, 2]", "give a whole number"),
    ("text for a switch", b"quiet: 'yes'\n", "quiet='yes'", "give true or false"),
    ("NaN for an objective", b"objective_options: {area_weight: .nan}\n", "area_weight=nan", "give a finite number"),
    ("a word for an objective", b"objective_options: {area_weight: much}\n", "area_weight='much'", "give a finite"),
    ("half a preprocessing", b"preprocessing: {size: 32}\n", "mean and std missing", "it needs size, mean, std"),
    ("a class of its own", b"preprocessing: {class_path: os.system}\n", "'class_path' is no option", "size, mean, std"),
    ("a NUL byte", b'out: "a\\0b"\n', "NUL byte", "leave it out"),
    ("a seed", b"run: {seed: -1}\n", "run.seed=-1", "give a whole number from 0"),
]

SPLITS = ("--train_split=all", "--validation_split=all", "--run.batch_size=1")


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("content", "named", "step"), [case[1:] for case in CONFIGS], ids=[case[0] for case in CONFIGS]
)
def test_a_clumsy_configuration_is_answered(
    content: bytes, named: str, step: str, here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "clumsy.yaml"
    file.write_bytes(content)
    assert main(["fit", "saved", "folder:sorted", *SPLITS, "--config", str(file)]) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert named in error
    assert step in error
