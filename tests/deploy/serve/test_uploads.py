"""What people and worse send as a picture: each is read right, or refused in JSON with a next step."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from explanans.deploy.serve import Limits, make_app, uploads

SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HTML = b"<!doctype html><html><body><img src=x onerror=alert(1)></body></html>"


@pytest.fixture
def client(masker: Any) -> Iterator[TestClient]:
    with TestClient(make_app(masker, limits=Limits(max_megabytes=1, max_megapixels=2), threads=1)) as made:
        yield made


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes that promises so many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    lines = zlib.compress(bytes(100_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")


def gif_bomb(width: int, height: int) -> bytes:
    frame = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02D\x01\x00"
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + frame + b";"


def packed(names: list[str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"x" * 100)
    return buffer.getvalue()


def bad_uploads(make_photo: Callable[..., Image.Image], encode: Callable[..., bytes]) -> list[tuple[str, bytes]]:
    """Two hundred, of twenty kinds."""
    draw = random.Random(0)
    jpeg, png = encode(make_photo(1, 90, 70), "JPEG"), encode(make_photo(1, 90, 70))
    webp, tiff = encode(make_photo(1, 90, 70), "WEBP"), encode(make_photo(1, 90, 70), "TIFF")
    found: list[tuple[str, bytes]] = []
    for turn in range(10):
        cut = draw.uniform(0.1, 0.8)
        noise = draw.randbytes(2000)
        found += [
            ("truncated JPEG", jpeg[: int(cut * len(jpeg))]),
            ("truncated PNG", png[: int(cut * len(png))]),
            ("truncated WebP", webp[: int(cut * len(webp))]),
            ("truncated TIFF", tiff[: int(cut * len(tiff))]),
            ("a beginning alone", (jpeg, png, webp, tiff)[turn % 4][: 2 + turn]),
            ("bomb", bomb(3000 + 5000 * turn, 60_000)),
            ("bomb beyond every limit", bomb(2**31 - 1 - turn, 2**31 - 1)),
            ("GIF bomb", gif_bomb(60_000 + turn, 60_000)),
            ("SVG with a script", SVG + b" " * turn),
            ("HTML", HTML * (turn + 1)),
            ("zip", packed([f"../../{turn}.jpg", "<script>.png"])),
            ("noise", noise),
            ("noise that begins like a JPEG", jpeg[:20] + noise),
            ("noise that begins like a PNG", png[:16] + noise),
            ("PDF", b"%PDF-1.7\n" + noise),
            ("PostScript", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(../../etc/passwd) run\n" + noise[:turn]),
            ("a path", b"../" * (turn + 1) + b"etc/passwd"),
            ("an address", b"http://127.0.0.1/photo.jpg?" + noise[:turn]),
            ("a form", b"--x\r\nContent-Disposition: form-data; name=f; filename=../a.jpg\r\n\r\n" + jpeg),
            ("too large", jpeg + bytes(1_000_001 + turn)),
        ]
    return found


# Pillow warns of what is damaged before it refuses it.
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_two_hundred_bad_uploads(
    client: TestClient, masker: Any, make_photo: Callable[..., Image.Image], encode: Callable[..., bytes]
) -> None:
    bad = bad_uploads(make_photo, encode)
    assert len(bad) == 200
    for what, content in bad:
        answer = client.post("/api/explain", content=content)
        assert answer.status_code in (413, 415), (what, answer.status_code)
        assert answer.headers["content-type"] == "application/json", what
        said = answer.json()
        assert set(said) == {"error", "next"}, what
        assert len(said["next"]) > 20, what
        assert "<" not in answer.text, what
        assert "Traceback" not in answer.text, what
    # None came to the model, and the server is as it was.
    assert masker.sizes == []
    assert client.post("/api/explain", content=encode(make_photo())).status_code == 200


def test_a_bomb_is_refused_before_it_is_decoded(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "read_image", lambda *given, **options: pytest.fail("decoded"))
    answer = client.post("/api/explain", content=bomb(60_000, 60_000))
    assert answer.status_code == 413
    assert "3600 megapixels; 2 are the most" in answer.json()["error"]


def test_what_is_said_to_be_too_large_is_not_read(client: TestClient) -> None:
    def never() -> Iterator[bytes]:
        pytest.fail("read")
        yield b""

    answer = client.post("/api/explain", content=never(), headers={"content-length": "99999999999999999999999"})
    assert answer.status_code == 413


def test_a_length_that_lies_is_no_way_around(client: TestClient) -> None:
    parts = iter([b"\xff\xd8\xff" + bytes(600_000), bytes(600_000)])
    assert client.post("/api/explain", content=parts).status_code == 413
    assert client.post("/api/explain", content=bytes(2_000_000), headers={"content-length": "10"}).status_code == 413


def test_uploads_have_so_much_room_and_no_more(masker: Any, encode: Any, make_photo: Any) -> None:
    photo = encode(make_photo())
    with TestClient(make_app(masker, limits=Limits(uploads_megabytes=len(photo) / 1e6), threads=1)) as client:
        assert client.post("/api/explain", content=photo + b"x").status_code == 503
        # What a refused and what an answered one took was given back.
        assert [client.post("/api/explain", content=photo).status_code for _ in range(3)] == [200] * 3


def upright(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.resize((24, 24)))


@pytest.mark.parametrize(
    "kind", ["EXIF", "CMYK", "16 bit", "grey", "palette", "transparent", "GIF", "BMP", "TIFF", "PPM", "WEBP"]
)
def test_unusual_pictures_are_read(client: TestClient, make_photo: Any, encode: Any, kind: str) -> None:
    photo = make_photo(2, 60, 40)
    if kind == "EXIF":
        exif = Image.Exif()
        exif[0x0112] = 6
        content = encode(photo, "JPEG", exif=exif.tobytes(), quality=95)
    elif kind == "CMYK":
        content = encode(photo.convert("CMYK"), "JPEG", quality=95)
    elif kind == "16 bit":
        content = encode(Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 257))
    elif kind in ("grey", "palette", "transparent"):
        content = encode(photo.convert({"grey": "L", "palette": "P", "transparent": "RGBA"}[kind]))
    else:
        content = encode(photo, kind)
    answer = client.post("/api/explain?class=red", content=content)
    assert answer.status_code == 200
    said = answer.json()
    assert (said["width"], said["height"]) == ((40, 60) if kind == "EXIF" else (60, 40))
