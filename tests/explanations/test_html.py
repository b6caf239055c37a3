"""What a notebook shows of an explanation: it stands alone, and what others named cannot break out of it."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from explanans.explanations.class_explanation import ClassExplanation
from explanans.explanations.explanation import Explanation
from explanans.explanations.html import MOST, explanation_html, layer
from explanans.explanations.receipt import Kept, Other, Receipt

EVIL = '</style><script>alert("x")</script>\x1b[31m & co'


class Page(HTMLParser):
    """Tags with their attributes, and the text between them."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def found(name: str = "dog", index: int = 0, receipt: Receipt | None = None) -> ClassExplanation:
    mask = np.zeros((8, 8), np.float32)
    mask[:, :4] = 1
    return ClassExplanation(name, index, 0.75, mask, 0.5, receipt, Image.new("RGB", (80, 40), "white"), (200, 100, 0))


def test_it_stands_alone_and_every_name_is_text() -> None:
    receipt = Receipt(0.75, {"mean": Kept(0.7, 0.1), "blur": Kept(0.6, 0.2)}, 0.5, 0.5, 0.1, Other(EVIL, 0.7, 0.6))
    picture = Image.new("RGB", (80, 40), "white")
    explained = (found(EVIL, 0, receipt), found("cat", 1))
    explanation = Explanation(picture, explained, {EVIL: 0.75, "cat": 0.7}, source=f"photos/{EVIL}.jpg")
    markup = explanation._repr_html_()
    page = Page(markup)
    assert not page.open
    assert {tag for tag, _ in page.tags} == {"style", "div", "ul", "li", "span", "img"}
    assert "alert" in page.text
    assert "\x1b" not in markup
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(images) == 3
    assert all(str(attributes["src"]).startswith("data:image/webp;base64,") for attributes in images)
    assert not re.search(r"https?:|url\(|@import|on\w+=", re.sub(r"base64,[^\"]*", "", markup).replace("font:", ""))
    assert "for the mask alone (50% of the photo)" in page.text
    assert "It is shared with" in page.text
    assert "0.75" in page.text


def test_the_photo_and_masks_are_as_large_as_said() -> None:
    page = Page(found()._repr_html_())
    for tag, attributes in page.tags:
        if tag == "img":
            data = base64.b64decode(str(attributes["src"]).partition(",")[2])
            with Image.open(io.BytesIO(data)) as opened:
                assert opened.size == (int(str(attributes["width"])), int(str(attributes["height"]))) == (440, 220)


def test_a_layer_is_the_tint_and_the_outline_and_nothing_else() -> None:
    drawn = np.asarray(layer(Image.new("RGB", (80, 80), "white"), found()))
    assert drawn.shape == (80, 80, 4)
    # Inside: the class's colour at half strength. Far outside: nothing.
    assert drawn[40, 20].tolist() == pytest.approx([200, 100, 0, 128], abs=1)
    assert drawn[40, 70, 3] == 0
    # The outline in the middle: opaque.
    assert drawn[40, 36:44, 3].max() == 255


def test_two_on_one_page_have_rules_of_their_own() -> None:
    first, second = found()._repr_html_(), found("cat")._repr_html_()
    names = [re.findall(r"explanans-\w+", markup) for markup in (first, second)]
    assert len(set(names[0])) == len(set(names[1])) == 1
    assert set(names[0]) != set(names[1])
    assert first == found()._repr_html_()


def test_of_many_classes_some_are_counted_only() -> None:
    page = Page(explanation_html(Image.new("RGB", (8, 8)), [found(f"class {n}", n) for n in range(MOST + 3)], "photo"))
    assert sum(tag == "img" for tag, _ in page.tags) == MOST + 1
    assert "… and 3 more classes" in page.text


def test_nothing_explained_says_so() -> None:
    explanation = Explanation(Image.new("RGB", (8, 8)), (), {"dog": 0.2}, rule="classes of probability 0.5 or more")
    page = Page(explanation._repr_html_())
    assert "no classes of probability 0.5 or more" in page.text
    assert "most probable: dog 0.200" in page.text
