from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from explanans.deploy.serve import Limits, Sample, make_app
from explanans.deploy.serve.safe_headers import HEADERS
from explanans.errors import InputError
from explanans.explanations.batch import Settings
from explanans.explanations.explain import explain
from explanans.explanations.selection import Selection
from explanans.images.drawing import colour_of


@pytest.fixture
def client(app: Any) -> Iterator[TestClient]:
    with TestClient(app) as made:
        yield made


@pytest.fixture
def picture(make_photo: Callable[..., Image.Image], encode: Callable[..., bytes]) -> bytes:
    return encode(make_photo())


def mask_of(entry: dict[str, Any]) -> np.ndarray:
    decoded = Image.open(io.BytesIO(base64.b64decode(entry["mask"])))
    assert decoded.mode == "L"
    return np.asarray(decoded)


def flat(receipt: dict[str, Any]) -> dict[str, float | str]:
    inner = {**receipt["fills"], "other": receipt["other"] or {}}
    deep = {f"{name}.{key}": value for name, each in inner.items() for key, value in each.items()}
    return {**{name: value for name, value in receipt.items() if name not in ("fills", "other")}, **deep}


def test_the_page_and_its_files(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for name, kind in (("main.js", "text/javascript"), ("page.css", "text/css"), ("icon.svg", "image/svg+xml")):
        assert name in page.text
        assert client.get(f"/{name}").headers["content-type"] == f"{kind}; charset=utf-8"
    assert "http" not in page.text
    assert client.get("/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/api/about", 200),
        ("GET", "/nothing", 404),
        ("GET", "/../../etc/passwd", 404),
        ("GET", "/%2e%2e/%2e%2e/etc/passwd", 404),
        ("GET", "/page/index.html", 404),
        ("GET", "/api/explain", 405),
        ("POST", "/", 405),
        ("POST", "/api/explain", 400),
    ],
)
def test_every_answer_has_the_same_headers(client: TestClient, method: str, path: str, status: int) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-security-policy"] == "default-src 'self'; img-src 'self' data: blob:"
    assert answer.headers["x-content-type-options"] == "nosniff"
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    assert "set-cookie" not in answer.headers
    if status >= 400:
        assert set(answer.json()) == {"error", "next"}


def test_about(client: TestClient) -> None:
    said = client.get("/api/about").json()
    assert said["classes"][1] == "green"
    assert said["colours"][1] == "#{:02x}{:02x}{:02x}".format(*colour_of(1))
    assert said["fill"] == [128, 128, 128]
    assert said["cut"] == 0.5
    assert said["made_by"]["masker"] == "channels"
    assert said["samples"] == []


def test_samples_are_served_with_their_credit(masker: Any, picture: bytes) -> None:
    sample = Sample("bird.jpg", picture, "bird", "A  B", "https://a.example/b", "https://a.example/c", "CC BY 2.0")
    with TestClient(make_app(masker, samples=[sample])) as client:
        (said,) = client.get("/api/about").json()["samples"]
        assert client.get(f"/{said['address']}").content == picture
    assert (said["author"], said["licence"], said["label"]) == ("A B", "CC BY 2.0", "bird")


def test_masks_probabilities_and_receipts_are_those_of_python(client: TestClient, masker: Any, picture: bytes) -> None:
    said = client.post("/api/explain", content=picture).json()
    expected = explain(masker, picture)
    assert [each["name"] for each in said["classes"]] == list(expected.classes)
    assert (said["width"], said["height"]) == (40, 30)
    assert said["probabilities"] == pytest.approx(list(expected.probabilities.values()), abs=1e-5)
    for entry, found in zip(said["classes"], expected, strict=True):
        assert np.abs(mask_of(entry) / 255 - found.input_mask).max() <= 0.5001 / 255
        assert ((mask_of(entry) >= 127.5) == (found.input_mask >= 0.5)).all()
        assert flat(entry["receipt"]) == pytest.approx(flat(found.receipt.to_dict()), abs=1e-5)


def test_a_mask_by_hand(client: TestClient, make_photo: Any, encode: Any) -> None:
    red = Image.new("RGB", (48, 48), (200, 0, 0))
    red.paste((40, 0, 0), (24, 0, 48, 48))
    said = client.post("/api/explain?class=red", content=encode(red)).json()
    mask = mask_of(said["classes"][0])
    assert mask.shape == (24, 24)
    assert (mask[:, :11] == 200).all()
    assert (mask[:, 13:] == 40).all()


def test_any_class_may_be_asked_for(client: TestClient, picture: bytes) -> None:
    first = client.post("/api/explain", content=picture).json()
    names = ["<script>alert(1)</script>", "bright, pale"]
    second = client.post("/api/explain", params={"class": names, "handle": first["handle"]}).json()
    assert {each["name"] for each in second["classes"]} == set(names)
    assert second["handle"] == first["handle"]


@pytest.mark.parametrize("cut", [127.5 / 255, 20.5 / 255, 180.5 / 255])
def test_a_receipt_at_another_cut(client: TestClient, masker: Any, picture: bytes, cut: float) -> None:
    handle = client.post("/api/explain", content=picture).json()["handle"]
    by_handle = client.post("/api/receipt", params={"class": "red", "cut": cut, "handle": handle}).json()
    by_picture = client.post("/api/receipt", params={"class": "red", "cut": cut}, content=picture).json()
    expected = explain(masker, picture, classes="red", mask_threshold=cut)["red"].receipt.to_dict()
    assert flat(by_handle["receipt"]) == pytest.approx(flat(expected), abs=1e-5)
    assert by_picture["receipt"]["kept"] == pytest.approx(expected["kept"], abs=1e-5)
    assert by_picture["handle"] != handle


def test_what_is_explained_is_set_by_the_operator(masker: Any, picture: bytes) -> None:
    settings = Settings(Selection(top_k=4), receipts=False)
    with TestClient(make_app(masker, settings)) as client:
        said = client.post("/api/explain", content=picture).json()
    assert len(said["classes"]) == 4
    assert {each["receipt"] for each in said["classes"]} == {None}


def test_a_preview_for_browsers_that_cannot_read_the_file(client: TestClient, make_photo: Any, encode: Any) -> None:
    said = client.post("/api/explain?preview=1", content=encode(make_photo(0, 2000, 500), "TIFF")).json()
    shown = Image.open(io.BytesIO(base64.b64decode(said["preview"])))
    assert (shown.size, shown.format) == ((1600, 400), "JPEG")
    assert (said["width"], said["height"]) == (2000, 500)


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/api/explain?clas=red", 400, "class, handle, preview"),
        ("/api/explain?class=rod", 400, "did you mean 'red'?"),
        ("/api/explain?class=../../etc/passwd", 400, "is not a class"),
        ("/api/explain?class=%3Cimg src=x onerror=alert(1)%3E", 400, "is not a class"),
        ("/api/explain", 400, "--data-binary"),
        ("/api/explain?handle=../../etc/passwd", 410, "again"),
        ("/api/receipt?handle=nothing&class=red", 410, "again"),
        ("/api/receipt", 400, "?class=NAME"),
        ("/api/receipt?class=red&class=green", 400, "Name one"),
        ("/api/receipt?class=red&cut=0", 400, "above 0"),
        ("/api/receipt?class=red&cut=nan", 400, "above 0"),
        ("/api/receipt?class=red&cut=1e999", 400, "above 0"),
        ("/api/receipt?class=red&cut=half", 400, "above 0"),
        ("/api/receipt?name=../x", 400, "There is no setting 'name'"),
    ],
)
def test_wrong_questions_say_the_next_step(client: TestClient, path: str, status: int, says: str) -> None:
    answer = client.post(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    said = answer.json()
    assert says in f"{said['error']} {said['next']}"


def test_what_the_networks_refuse_is_said(client: TestClient, masker: Any, picture: bytes) -> None:
    def look(images: Any) -> Any:
        raise InputError("the classifier's weights are NaN; load others.")

    masker.look = look
    answer = client.post("/api/explain", content=picture)
    assert answer.status_code == 422
    assert "weights are NaN" in answer.json()["error"]


def test_an_old_picture_is_forgotten(masker: Any, picture: bytes) -> None:
    with TestClient(make_app(masker, limits=Limits(kept=2))) as client:
        handles = [client.post("/api/explain", content=picture).json()["handle"] for _ in range(3)]
        statuses = [client.post(f"/api/receipt?class=red&handle={each}").status_code for each in handles]
    assert statuses == [410, 200, 200]
    assert len(set(handles)) == 3


@pytest.mark.parametrize("name", ["max_megabytes", "queue", "deadline"])
def test_limits_are_above_zero(name: str) -> None:
    with pytest.raises(InputError, match=f"{name}=0 must be above 0"):
        Limits(**{name: 0})
