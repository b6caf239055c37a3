"""A picture inside the text of a page, so that the page stands alone."""

from __future__ import annotations

import base64
import io

from PIL import Image


def data_uri(picture: Image.Image, quality: int = 82) -> str:
    """``data:image/webp;base64,…``; RGB, or RGBA with what is transparent. ``quality`` is WEBP's, 0 to 100."""
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=quality, method=4)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
