"""An explanation as a piece of a page, for notebooks: it needs no script, no file beside it and no running kernel.

The photo, and beside it each class with its probability and its receipt. The mask of the class that the mouse is over,
or that was touched, lies on the photo; the most probable one where there is none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from explanans.images import drawing
from explanans.images.inline import data_uri
from explanans.utils.text import printable

if TYPE_CHECKING:
    from explanans.explanations.class_explanation import ClassExplanation

# Pixels of the longer side of the photo on the page.
SIDE = 440
# A page with a thousand masks in it would be unusable.
MOST = 12

_LIT = "background:color-mix(in srgb,var(--c) 16%,transparent)"
_STYLE = (
    """
.ID{display:flex;flex-wrap:wrap;gap:20px;align-items:flex-start;font:14px/1.45 system-ui,sans-serif;color:inherit}
.ID .photo{position:relative;line-height:0}
.ID .photo img{display:block;border-radius:4px;margin:0;max-width:none}
.ID .photo .mask{position:absolute;left:0;top:0;opacity:0;transition:opacity .12s}
.ID .classes{flex:1 1 280px;max-width:460px;margin:0;padding:0;list-style:none}
.ID .class{padding:7px 10px;margin:0 0 4px;border-left:5px solid var(--c);cursor:default;outline:none;text-align:left}
.ID .name{display:flex;justify-content:space-between;gap:12px;font-weight:600;overflow-wrap:anywhere}
.ID .says,.ID .note{opacity:.75;font-size:13px}
"""
    f".ID .class[tabindex]:hover,.ID .class:focus{{{_LIT}}}\n"
)


def explanation_html(
    picture: Image.Image, classes: Sequence[ClassExplanation], title: str, notes: Sequence[str] = ()
) -> str:
    """Markup that stands alone; every name in it is escaped.

    Args:
        picture: RGB, any size; it is scaled to :data:`SIDE`.
        classes: the first :data:`MOST` are shown, the others counted.
        title, notes: lines below the classes.
    """
    scale = SIDE / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    photo = picture.resize(size, Image.Resampling.BICUBIC)
    shown = classes[:MOST]
    images = [_image(photo, title, "")]
    images += [_image(layer(photo, found), f"mask of {found.name}", f"mask m{k}") for k, found in enumerate(shown)]
    items = [_item(found, k) for k, found in enumerate(shown)]
    if len(classes) > MOST:
        notes = [*notes, f"… and {len(classes) - MOST} more classes"]
    if len(shown) > 1:
        notes = [*notes, "Point at a class to see its mask."]
    lines = "".join(f'<div class="note">{escape(printable(line))}</div>' for line in (title, *notes))
    body = (
        f'<ul class="classes">{"".join(items)}<li class="class" style="--c:transparent">{lines}</li></ul>'
        f'<div class="photo" style="order:-1">{"".join(images)}</div>'
    )
    # Two explanations on one page must not answer to each other's rules.
    name = f"explanans-{hashlib.sha256(body.encode()).hexdigest()[:12]}"
    return f'<style>{(_STYLE + _rules(len(shown))).replace("ID", name).strip()}</style><div class="{name}">{body}</div>'


def layer(photo: Image.Image, found: ClassExplanation) -> Image.Image:
    """RGBA of the photo's size: the class's tint where its mask is, and the mask's outline; transparent elsewhere."""
    mask = drawing.resize_mask(found.input_mask, (photo.height, photo.width))
    tint = Image.new("RGBA", photo.size, (*found.colour, 0))
    tint.putalpha(drawing.to_grey(mask, 0.5))
    black, white = (
        drawing.contour(Image.new("RGB", photo.size, ground), mask, found.colour, found.mask_threshold)
        for ground in ("black", "white")
    )
    return Image.alpha_composite(tint, _between(black, white))


def _between(black: Image.Image, white: Image.Image) -> Image.Image:
    """What was drawn on a black and on a white ground, without a ground: alpha = 1 − (white − black)."""
    on_black, on_white = (np.asarray(each, np.float32) for each in (black, white))
    alpha = 1 - (on_white - on_black).mean(2, keepdims=True) / 255
    colour = np.divide(on_black, alpha, out=np.zeros_like(on_black), where=alpha > 0)
    pixels = np.concatenate([colour.clip(0, 255), 255 * alpha.clip(0, 1)], axis=2)
    return Image.fromarray(np.rint(pixels).astype(np.uint8), "RGBA")


def _rules(count: int) -> str:
    """Which mask is seen when: plain selectors of what follows what, since pages of notebooks run no script."""
    nowhere = ".ID .classes:not(:hover):not(:focus-within)"
    one = [f"{nowhere}~.photo .m0{{opacity:1}}", f"{nowhere} .c0{{{_LIT}}}"]
    for k in range(count):
        one.append(f".ID .classes:has(.c{k}:hover)~.photo .m{k}{{opacity:1}}")
        one.append(f".ID .classes:not(:hover):has(.c{k}:focus)~.photo .m{k}{{opacity:1}}")
    return "\n".join(one)


def _image(picture: Image.Image, text: str, kind: str) -> str:
    width, height = picture.size
    where = f' class="{kind}"' if kind else ""
    return f'<img{where} src="{data_uri(picture)}" alt="{escape(printable(text))}" width="{width}" height="{height}">'


def _item(found: ClassExplanation, place: int) -> str:
    name = escape(printable(found.name))
    colour = "#{:02x}{:02x}{:02x}".format(*found.colour)
    says = "" if found.receipt is None else f'<div class="says">{escape(printable(str(found.receipt)))}</div>'
    return (
        f'<li class="class c{place}" tabindex="0" style="--c:{colour}">'
        f'<div class="name"><span>{name}</span><span>{found.probability:.2f}</span></div>{says}</li>'
    )
