"""From a request's body to a classifier's input: bounded while it arrives, looked at before it is decoded."""

from __future__ import annotations

import base64
import io
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

from PIL import Image
from torch import Tensor

from explanans.deploy.serve.serving_limits import MEGA, Limits, Refusal, too_busy
from explanans.images.preprocessing import Preprocessing
from explanans.images.reading import ImageError, open_picture, read_image

ANOTHER = "Save it as JPEG, PNG or WebP with any picture editor, and send that file."
# Pixels of the longer side of what is shown of a file that browsers cannot decode.
PREVIEW = 1600


@dataclass(frozen=True)
class Upload:
    """A picture that was read.

    Attributes:
        width, height: of the upright picture.
        inputs: normalised, (channels, H, W).
        preview: a JPEG at most :data:`PREVIEW` pixels wide and high, as base64, where one was asked for.
    """

    width: int
    height: int
    inputs: Tensor
    preview: str | None = None


class Room:
    """How many bytes of files are in memory at once."""

    def __init__(self, limits: Limits) -> None:
        self.limits, self.taken = limits, 0

    def take(self, size: int) -> None:
        if self.taken + size > self.limits.uploads_megabytes * MEGA:
            raise too_busy(5)
        self.taken += size

    def give_back(self, size: int) -> None:
        self.taken -= size


async def receive(stream: AsyncIterator[bytes], declared: str | None, room: Room) -> bytes:
    """The whole body; the caller gives ``len`` of it back to the room.

    Args:
        declared: what the request says of its length. It is refused by that before a byte is read, and never trusted.

    Raises:
        Refusal: too large (413), or too much at once (503).
    """
    most = room.limits.max_megabytes * MEGA
    large = Refusal(
        413,
        f"The file is larger than {room.limits.max_megabytes:g} MB.",
        "Make the picture smaller, or save it as JPEG, and send that.",
    )
    if declared is not None and declared.isdecimal() and int(declared[:20]) > most:
        raise large
    content = bytearray()
    try:
        async for chunk in stream:
            if len(content) + len(chunk) > most:
                raise large
            room.take(len(chunk))
            content += chunk
    except BaseException:
        room.give_back(len(content))
        raise
    return bytes(content)


def read_upload(content: bytes, preprocessing: Preprocessing, limits: Limits, preview: bool = False) -> Upload:
    """Decode a file, as :func:`explanans.explanations.explain.explain` does.

    Raises:
        Refusal: no picture, one that is damaged, or one with too many pixels.
    """
    if content[:2] == b"--" and b"form-data" in content[:1000].lower():
        raise Refusal(
            415,
            "This is a form with a file in it, not a picture.",
            "Send the file alone as the body: curl --data-binary @photo.jpg …/api/explain",
        )
    try:
        with open_picture(content, max_pixels=sys.maxsize) as stored:
            pixels = stored.width * stored.height
        if pixels > limits.max_megapixels * MEGA:
            raise Refusal(
                413,
                f"The picture has {pixels / MEGA:.0f} megapixels; {limits.max_megapixels:g} are the most.",
                "Make it smaller and send that: a classifier looks at a few hundred pixels across.",
            )
        picture = read_image(content)
    except ImageError as error:
        raise Refusal(415, f"The file cannot be read: {error.reason}.", ANOTHER) from error
    inputs = preprocessing(picture)
    return Upload(picture.width, picture.height, inputs, _preview(picture) if preview else None)


def _preview(picture: Image.Image) -> str:
    picture.thumbnail((PREVIEW, PREVIEW))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    return base64.b64encode(buffer.getvalue()).decode()
