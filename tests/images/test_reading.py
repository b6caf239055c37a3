from __future__ import annotations

import io
import pickle
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile

from explanans.images import reading
from explanans.images.reading import ImageError, image_size, read_image


def pixel(source: Any, x: int = 0, y: int = 0) -> tuple[int, ...]:
    picture = read_image(source)
    assert picture.mode == "RGB"
    return picture.getpixel((x, y))


def encoded(picture: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def png_header(side: int) -> bytes:
    """A PNG that promises side x side grey pixels and holds none."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_a_picture_is_the_same_from_every_source(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    path = tmp_path / "p.png"
    Image.fromarray(values).save(path)
    tensor = torch.from_numpy(values).permute(2, 0, 1)
    sources = [path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes()), Image.fromarray(values), values]
    sources += [values.astype(np.float64) / 255, values.astype(np.uint16) * 257, tensor, tensor.float() / 255]
    for source in sources:
        assert np.array_equal(np.asarray(read_image(source)), values)
    with path.open("rb") as file:
        assert np.array_equal(np.asarray(read_image(file)), values)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.full((2, 2), 7, np.uint8), (7, 7, 7)),
        (np.full((2, 2, 1), 7, np.uint8), (7, 7, 7)),
        (np.ones((2, 2), bool), (255, 255, 255)),
        (np.full((2, 2), 65535, np.uint16), (255, 255, 255)),
        (np.full((2, 2), 257 * 3 + 129, np.uint16), (4, 4, 4)),
        (np.full((2, 2), 0.5, np.float32), (128, 128, 128)),
        (np.full((2, 2, 4), (255, 0, 0, 0), np.uint8), (255, 255, 255)),
        (np.full((2, 2, 4), (255, 0, 0, 255), np.uint8), (255, 0, 0)),
        (torch.full((1, 2, 2), 0.5, dtype=torch.bfloat16), (128, 128, 128)),
        (torch.full((3, 2, 2), 9, dtype=torch.uint8), (9, 9, 9)),
        (torch.ones(1, 1, 1, requires_grad=True), (255, 255, 255)),
    ],
)
def test_arrays_and_tensors(values: Any, expected: tuple[int, ...]) -> None:
    assert pixel(values) == expected


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (Image.new("L", (2, 2), 9), (9, 9, 9)),
        (Image.new("1", (2, 2), 1), (255, 255, 255)),
        (Image.new("RGBA", (2, 2), (255, 0, 0, 51)), (255, 204, 204)),
        (Image.new("LA", (2, 2), (0, 0)), (255, 255, 255)),
        (Image.new("I;16", (2, 2), 65535), (255, 255, 255)),
        (Image.new("I;16B", (2, 2), 257), (1, 1, 1)),
        (Image.new("I", (2, 2), 257 * 20), (20, 20, 20)),
        (Image.new("F", (2, 2), 0.2), (51, 51, 51)),
        (Image.new("CMYK", (2, 2), (0, 255, 255, 0)), (255, 0, 0)),
        (Image.new("RGB", (1, 1), (1, 2, 3)), (1, 2, 3)),
    ],
)
def test_modes(picture: Image.Image, expected: tuple[int, ...]) -> None:
    assert pixel(picture) == expected


def test_sixteen_bit_file_is_scaled_and_not_clipped() -> None:
    grey = Image.fromarray(np.array([[0, 257, 32896, 65535]], np.uint16))
    for form in ("PNG", "TIFF"):
        assert np.asarray(read_image(encoded(grey, form)))[0, :, 0].tolist() == [0, 1, 128, 255]


def test_palette_and_transparent_entry() -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.putpixel((1, 0), 1)
    assert pixel(encoded(picture), 1) == (40, 50, 60)
    see_through = encoded(picture, transparency=1)
    assert pixel(see_through, 0) == (10, 20, 30)
    assert pixel(see_through, 1) == (255, 255, 255)


def test_transparency_is_composited_strip_by_strip(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).integers(0, 256, (37, 5, 4), dtype=np.uint8)
    picture = Image.fromarray(values)
    whole = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    monkeypatch.setattr(reading, "STRIP", 10)
    assert np.array_equal(np.asarray(read_image(picture)), np.asarray(whole))


def test_cmyk_jpeg_is_not_inverted() -> None:
    red, green, blue = pixel(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95))
    assert red > 240
    assert max(green, blue) < 15


@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (3, 1)), (6, (1, 0)), (8, (0, 3))])
def test_exif_rotation(orientation: int, corner: tuple[int, int]) -> None:
    """The corner is where the stored picture's top left pixel is seen: (x, y)."""
    picture = Image.new("RGB", (4, 2))
    picture.putpixel((0, 0), (255, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(picture, "PNG", exif=exif)
    seen = read_image(data)
    assert seen.getpixel(corner) == (255, 0, 0)
    assert image_size(data) == (seen.height, seen.width)


def with_exif_behind_the_pixels(data: bytes) -> bytes:
    begin = data.index(b"eXIf") - 4
    end = begin + 12 + struct.unpack(">I", data[begin : begin + 4])[0]
    rest = data[:begin] + data[end:]
    last = rest.index(b"IEND") - 4
    return rest[:last] + data[begin:end] + rest[last:]


def test_the_size_of_a_png_is_known_without_its_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(Image.new("RGB", (30, 20)), exif=exif)
    behind = with_exif_behind_the_pixels(data)
    assert read_image(behind).size == (20, 30)

    def load(self: Image.Image) -> None:
        raise AssertionError("pixels are decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    assert image_size(data) == image_size(behind) == (30, 20)
    assert image_size(encoded(Image.new("RGB", (30, 20)))) == (20, 30)
    assert image_size(png_header(10_000)) == (10_000, 10_000)
    # A chunk that is cut says nothing.
    assert image_size(behind[: behind.index(b"eXIf") + 20]) == (20, 30)


@pytest.mark.bad_input
def test_postscript_by_the_name_of_a_photo_is_not_run(tmp_path: Path) -> None:
    """Pillow would start Ghostscript, where it is installed."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n")
    with Image.open(path) as opened:
        assert opened.format == "EPS"
    for use in (read_image, image_size):
        with pytest.raises(ImageError, match="not a picture of a format that is read here"):
            use(path)


def test_a_given_picture_is_not_changed() -> None:
    picture = Image.new("RGB", (3, 3))
    read_image(picture).putpixel((0, 0), (9, 9, 9))
    assert picture.getpixel((0, 0)) == (0, 0, 0)
    opened = Image.open(io.BytesIO(encoded(Image.new("RGB", (640, 640)), "JPEG")))
    read_image(opened, fit=(8, 8))
    assert opened.size == (640, 640)


def test_fit_decodes_large_jpegs_smaller_and_leaves_others() -> None:
    large, small = Image.new("RGB", (1600, 800), (9, 99, 199)), Image.new("RGB", (300, 200))
    assert read_image(encoded(large, "JPEG"), fit=(50, 100)).size == (400, 200)
    assert read_image(encoded(large, "JPEG")).size == (1600, 800)
    assert read_image(encoded(small, "JPEG"), fit=(100, 100)).size == (300, 200)
    assert read_image(encoded(large), fit=(50, 50)).size == (1600, 800)


def test_a_hundred_megapixels_pass(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    Image.new("1", (10_000, 10_000)).save(path, compress_level=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(path).size == (10_000, 10_000)


@pytest.mark.bad_input
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_decompression_bomb_is_refused_and_pillows_limit_is_left_alone() -> None:
    before = Image.MAX_IMAGE_PIXELS
    for side in (20_000, 60_000):
        with pytest.raises(ImageError, match="max_pixels"):
            read_image(png_header(side))
    with pytest.raises(ImageError, match=r"100 x 100 pixels exceed the limit of 9,999"):
        read_image(encoded(Image.new("L", (100, 100))), max_pixels=9_999)
    assert before == Image.MAX_IMAGE_PIXELS
    # Raised, the same header is read, and only then found to hold no pixels.
    with pytest.raises(ImageError, match="decoded"):
        read_image(png_header(2_000), max_pixels=10**9)


@pytest.mark.bad_input
def test_bad_files(tmp_path: Path) -> None:
    jpeg = encoded(Image.effect_noise((64, 64), 50), "JPEG")
    files = {
        "truncated.jpg": (jpeg[: len(jpeg) // 2], "truncated"),
        "text.png": (b"this is no picture", "not a picture"),
        "empty.jpg": (b"", "empty"),
        "damaged.png": (encoded(Image.new("RGB", (64, 64)))[:60], "decoded"),
    }
    for name, (data, reason) in files.items():
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(ImageError, match=reason) as caught:
            read_image(path)
        assert caught.value.path == path
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
        with pytest.raises(ImageError) as caught:
            read_image(data)
        assert caught.value.path is None
    with pytest.raises(ImageError, match="no such file") as caught:
        read_image(tmp_path / "missing.jpg")
    assert caught.value.path == tmp_path / "missing.jpg"
    with pytest.raises(ImageError, match="folder"):
        read_image(tmp_path)
    with pytest.raises(ImageError, match="no bytes"):
        read_image(b"")


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (None, "NoneType"),
        (np.zeros((3, 4, 5), np.uint8), "channels first"),
        (np.zeros((0, 4), np.uint8), "shape"),
        (np.zeros(4, np.uint8), "shape"),
        (np.zeros((2, 2), np.int64), "int64"),
        (np.full((2, 2), 1.5), "1.5"),
        (np.full((2, 2), -0.1), "-0.1"),
        (np.full((2, 2), np.nan), "nan"),
        (torch.zeros(1, 3, 2, 2), "tensor of shape"),
        (torch.zeros(2, 2), "tensor of shape"),
        (torch.full((3, 2, 2), -2.0), "denormalise"),
        (Image.new("I", (2, 2), 70_000), "70000"),
        (Image.new("F", (2, 2), 255.0), "255"),
    ],
)
def test_bad_values(source: Any, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        read_image(source)


def test_an_unusable_mode_of_a_file_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "float.tif"
    Image.new("F", (2, 2), 255.0).save(path)
    with pytest.raises(ImageError, match=r"float\.tif.*255") as caught:
        read_image(path)
    assert caught.value.path == path


def test_image_error_survives_a_worker_process() -> None:
    error = pickle.loads(pickle.dumps(ImageError("no such file", "a/b.jpg")))
    assert (str(error), error.reason, error.path) == ("a/b.jpg: no such file", "no such file", Path("a/b.jpg"))
