from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest

from explanans.errors import InputError
from explanans.utils.query_options import join_options, split_options
from explanans.utils.typed import Count

KNOWN: dict[str, Any] = {
    "size": Count,
    "shift": int,
    "rate": float,
    "cache": bool,
    "task": str | None,
    "limit": int | None,
    "outputs": Literal["logits", "softmax"],
    "root": str | Path | None,
}


def test_values_have_their_types() -> None:
    name, options = split_options(
        "timm:net.tag?size=3&shift=-2&rate=1e-3&cache=no&task=main&limit=null&outputs=softmax&root=a%26b%3Dc+d",
        KNOWN,
        "classifier",
    )
    assert name == "timm:net.tag"
    assert options == {
        "size": 3,
        "shift": -2,
        "rate": 0.001,
        "cache": False,
        "task": "main",
        "limit": None,
        "outputs": "softmax",
        "root": "a&b=c+d",
    }
    assert split_options(f"timm:net.tag{join_options(options)}", KNOWN, "classifier") == (name, options)
    assert split_options("plain", KNOWN, "x") == ("plain", {})
    assert join_options({}) == ""
    # What reads as a number is text where text is wanted, and nothing where nothing is allowed.
    assert split_options("x?task=7&limit=none", KNOWN, "x")[1] == {"task": "7", "limit": None}


def test_a_file_with_a_question_mark_is_a_name(tmp_path: Path) -> None:
    file = tmp_path / "what?.onnx"
    file.touch()
    assert split_options(str(file), KNOWN, "x") == (str(file), {})


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("sise=3", r"'sise' is no option of it \(did you mean 'size'\?\); its options are size, shift"),
        ("checkpoint_path=evil.pth", "'checkpoint_path' is no option of it; its options"),
        ("", "'' is no option of it; its options are"),
        ("size", "'size' has no value"),
        ("size=", "'size' has no value"),
        ("size=1&size=1", "'size' is given twice"),
        ("size=0", "size='0'; give a whole number of at least 1"),
        ("size=1.0", "size='1.0'; give a whole number"),
        ("size=4 4", "size='4 4'; give a whole number"),
        ("size=" + "9" * 40, "size='9{40}'; give a whole number"),
        ("shift=null", "shift='null'; give a whole number"),
        ("rate=nan", "rate='nan'; give a finite number"),
        ("rate=inf", "rate='inf'; give a finite number"),
        ("rate=fast", "rate='fast'; give a finite number"),
        ("cache=perhaps", "cache='perhaps'; give true or false"),
        ("limit=some", "limit='some'; give a whole number or null"),
        ("outputs=Softmax", "outputs='Softmax'; give one of logits, softmax"),
    ],
)
def test_what_is_refused(query: str, said: str) -> None:
    with pytest.raises(InputError, match=f"^classifier 'timm:x': {said}"):
        split_options(f"timm:x?{query}", KNOWN, "classifier 'timm:x'")
