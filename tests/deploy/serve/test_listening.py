"""The command as it is started and stopped."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from explanans.classifiers import SmallResNet
from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.sources import Source
from explanans.cli.main import main
from explanans.deploy.serve import open_socket
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing


@pytest.fixture
def classifier(tmp_path: Path) -> Path:
    arguments = {"num_classes": 2, "widths": [8, 16]}
    Explanandum(
        SmallResNet(**arguments),
        classes=("cat", "dog"),
        activation="softmax",
        preprocessing=Preprocessing(32, (0.5,) * 3, (0.5,) * 3),
        source=Source("explanans:small_resnet", arguments),
    ).save(tmp_path / "classifier")
    return tmp_path / "classifier"


def test_it_serves_behind_a_proxy_and_stops_when_told(
    classifier: Path, tmp_path: Path, make_photo: Any, encode: Any
) -> None:
    command = [sys.executable, "-m", "explanans", "serve", str(classifier), "--port", "0", "--root_path", "/masks/"]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    assert started.stdout is not None
    try:
        lines = [started.stdout.readline(), started.stdout.readline()]
        address = re.search(r"http://127\.0\.0\.1:\d+/", lines[1])
        assert address, lines
        content = encode(make_photo())
        asked = urllib.request.Request(f"{address[0]}api/explain", content)
        with urllib.request.urlopen(asked, timeout=60) as answer:
            assert answer.status == 200
            assert "server" not in answer.headers
        with urllib.request.urlopen(address[0], timeout=60) as answer:
            assert b"main.js" in answer.read()
        before = set(tmp_path.rglob("*"))
        started.send_signal(signal.SIGTERM)
        rest, complaints = started.communicate(timeout=60)
    finally:
        started.kill()
    assert started.returncode == 0
    assert rest == "stopped\n"
    # Nothing is logged of a request, and nothing is written.
    assert complaints == ""
    assert before == {classifier, *classifier.rglob("*")}


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["serve", "sample:efficientnet_lite0", "--port", str(port)]) == 2
    assert "take another --port" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["no.such.host.invalid", "a" * 100, "192.0.2.1"])
def test_a_host_that_is_not_ours(host: str) -> None:
    with pytest.raises(InputError, match=r"0\.0\.0\.0"):
        open_socket(host, 0)


def test_a_port_that_is_none() -> None:
    with pytest.raises(InputError, match="port=70000"):
        open_socket("127.0.0.1", 70000)
