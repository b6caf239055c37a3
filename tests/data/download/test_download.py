from __future__ import annotations

import hashlib
import json
import socket
from pathlib import Path

import pytest

from explanans.data.download import transfer
from explanans.data.download.download import _alone, fetch
from explanans.data.download.transfer import ATTEMPTS
from explanans.errors import InputError

from .server import Behaviour, serving

CONTENT = bytes(range(256)) * 40
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
PAGE = "https://example.org/data"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "FIRST_PAUSE", 0.0)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new/file.tar"


def part_of(path: Path) -> Path:
    return path.with_name("file.tar.part")


def leave_part(path: Path, url: str, content: bytes, validator: str = '"first"') -> None:
    """What an earlier call that was stopped has left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part_of(path).write_bytes(content)
    path.with_name("file.tar.part.json").write_text(json.dumps({"url": url, "validator": validator}))


@pytest.mark.parametrize("checksum", [None, MD5, SHA256, MD5[:4] + MD5[4:].upper()])
def test_a_file_arrives_whole_and_is_not_fetched_twice(path: Path, checksum: str | None) -> None:
    behaviour = Behaviour(CONTENT)
    with serving(behaviour) as url:
        assert fetch(url, path, size=len(CONTENT), checksum=checksum) == path
    # The server is gone: what is there needs none.
    assert fetch(url, path, size=len(CONTENT), checksum=checksum) == path
    assert path.read_bytes() == CONTENT
    assert [file.name for file in path.parent.iterdir()] == ["file.tar"]
    assert behaviour.requests == [None]


def test_a_broken_connection_goes_on_where_it_broke(path: Path) -> None:
    behaviour = Behaviour(CONTENT, breaks=[4000, 1000, 3000])
    with serving(behaviour) as url:
        fetch(url, path, size=len(CONTENT), checksum=MD5)
    assert path.read_bytes() == CONTENT
    assert behaviour.requests == [None, "bytes=4000-", "bytes=5000-", "bytes=8000-"]


def test_any_number_of_breaks_as_long_as_each_try_brings_something(path: Path) -> None:
    behaviour = Behaviour(CONTENT, breaks=[1024] * 9)
    with serving(behaviour) as url:
        fetch(url, path)
    assert path.read_bytes() == CONTENT
    assert len(behaviour.requests) == 10 > ATTEMPTS


def test_a_server_that_always_breaks_at_the_same_place_ends(path: Path) -> None:
    behaviour = Behaviour(CONTENT, breaks=[500] * 99, ranges=False)
    with serving(behaviour) as url, pytest.raises(InputError, match=r"ended after 500 of 10,240 bytes; tried 5 times"):
        fetch(url, path, size=len(CONTENT))
    assert len(behaviour.requests) == ATTEMPTS
    assert not path.exists()
    assert part_of(path).read_bytes() == CONTENT[:500]


def test_the_next_call_goes_on(path: Path) -> None:
    behaviour = Behaviour(CONTENT)
    with serving(behaviour) as url:
        leave_part(path, url, CONTENT[:7000])
        fetch(url, path, checksum=MD5)
    assert behaviour.requests == ["bytes=7000-"]
    assert path.read_bytes() == CONTENT


def test_a_server_that_ignores_ranges_sends_all_of_it(path: Path) -> None:
    behaviour = Behaviour(CONTENT, breaks=[6000], ranges=False)
    with serving(behaviour) as url:
        fetch(url, path, size=len(CONTENT), checksum=SHA256)
    assert behaviour.requests == [None, "bytes=6000-"]
    assert path.read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_is_fetched_from_the_start(path: Path) -> None:
    behaviour = Behaviour(CONTENT, etag='"second"')
    with serving(behaviour) as url:
        leave_part(path, url, b"an earlier version of the file")
        fetch(url, path)
    assert path.read_bytes() == CONTENT


def test_a_part_of_another_address_or_of_unknown_version_is_not_built_upon(path: Path) -> None:
    behaviour = Behaviour(CONTENT)
    with serving(behaviour) as url:
        leave_part(path, "http://elsewhere/file.tar", b"something else")
        fetch(url, path)
        path.unlink()
        leave_part(path, url, b"something else", validator="")
        fetch(url, path)
    assert behaviour.requests == [None, None]
    assert path.read_bytes() == CONTENT


def test_a_wrong_part_is_found_by_the_checksum_and_fetched_anew(path: Path) -> None:
    behaviour = Behaviour(CONTENT)
    with serving(behaviour) as url:
        leave_part(path, url, b"wrong beginning, same ETag")
        fetch(url, path, checksum=MD5)
    assert behaviour.requests == ["bytes=26-", None]
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(("left", "asked"), [(CONTENT, ["bytes=10240-"]), (CONTENT + b"x", ["bytes=10241-", None])])
def test_a_part_that_is_already_all_or_more(path: Path, left: bytes, asked: list[str | None]) -> None:
    behaviour = Behaviour(CONTENT)
    with serving(behaviour) as url:
        leave_part(path, url, left)
        fetch(url, path)
    assert behaviour.requests == asked
    assert path.read_bytes() == CONTENT


def test_a_tampered_file_is_thrown_away(path: Path) -> None:
    tampered = CONTENT[:-1] + b"!"
    with serving(Behaviour(tampered)) as url, pytest.raises(InputError) as caught:
        fetch(url, path, size=len(CONTENT), checksum=MD5, page=PAGE)
    for said in (hashlib.md5(tampered).hexdigest(), MD5[4:], url, PAGE, str(path.absolute()), "thrown away"):
        assert said in str(caught.value)
    assert list(path.parent.iterdir()) == []


def test_another_length_than_published_is_refused_before_it_is_fetched(path: Path) -> None:
    with serving(Behaviour(b"please log in")) as url, pytest.raises(InputError, match=r"announces 13 bytes.*10,240"):
        fetch(url, path, size=len(CONTENT))
    assert list(path.parent.iterdir()) == []


def test_a_server_that_announces_too_much(path: Path) -> None:
    with serving(Behaviour(CONTENT, announces=20_000, ranges=False)) as url:
        with pytest.raises(InputError, match=r"ended after 10,240 of 20,000 bytes"):
            fetch(url, path, checksum=MD5)
        assert not path.exists()
    # One that knows ranges puts it right itself: there is nothing from byte 10,240 on.
    with serving(Behaviour(CONTENT, announces=20_000)) as url:
        assert fetch(url, path, checksum=MD5).read_bytes() == CONTENT


def test_a_server_that_announces_too_little(path: Path) -> None:
    with serving(Behaviour(CONTENT, announces=5_000)) as url:
        with pytest.raises(InputError, match="has the md5"):
            fetch(url, path, checksum=MD5)
        assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("announces", ["", "many"])
def test_a_server_that_announces_no_length(path: Path, announces: str) -> None:
    with serving(Behaviour(CONTENT, announces=announces, etag=None)) as url:
        assert fetch(url, path).read_bytes() == CONTENT


def test_more_than_the_published_length_is_not_taken(path: Path) -> None:
    behaviour = Behaviour(CONTENT, announces="")
    with serving(behaviour) as url, pytest.raises(InputError, match="sends more than the 100 bytes"):
        fetch(url, path, size=100)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("status", [401, 403, 404, 407])
def test_a_refusal_is_final(path: Path, status: int) -> None:
    behaviour = Behaviour(CONTENT, statuses=[status] * 9)
    with serving(behaviour) as url, pytest.raises(InputError, match=f"the server answers {status}"):
        fetch(url, path)
    assert len(behaviour.requests) == 1


def test_a_busy_server_is_asked_again(path: Path) -> None:
    behaviour = Behaviour(CONTENT, statuses=[503, 429, 500, 502])
    with serving(behaviour) as url:
        fetch(url, path)
    assert path.read_bytes() == CONTENT


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_no_server_says_what_to_fetch_by_hand(path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/file.tar"
    with pytest.raises(InputError) as caught:
        fetch(url, path, size=len(CONTENT), checksum=MD5, page=PAGE)
    for said in ("refused", url, PAGE, "10,240 bytes", MD5[4:], str(path.absolute())):
        assert said in str(caught.value)


def test_a_proxy_that_refuses_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    behaviour = Behaviour(b"", statuses=[403])
    with serving(behaviour) as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("no_proxy", "")
        with pytest.raises(InputError, match=r"403.*put the file at"):
            fetch("http://data.example/file.tar", path)
        # Through a tunnel the proxy's word comes as an error of the connection.
        monkeypatch.setenv("https_proxy", proxy)
        with pytest.raises(InputError, match=r"data\.example \(Tunnel connection failed.*put the file at"):
            fetch("https://data.example/file.tar", path)


def test_a_name_that_nobody_knows(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*arguments: object, **options: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(InputError, match=r"no answer from data\.example \(Name or service not known\).*put the file"):
        fetch("http://data.example/file.tar", path)


def test_a_file_put_there_by_hand_is_checked(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(InputError, match=r"has 10,239 bytes, the published file 10,240.*from http://none/file.tar"):
        fetch("http://none/file.tar", path, size=len(CONTENT), page=PAGE)
    with pytest.raises(InputError, match=f"has the md5.*official page: {PAGE}"):
        fetch("http://none/file.tar", path, checksum=MD5, page=PAGE)
    assert path.read_bytes() == CONTENT[:-1]


def test_a_full_disk_is_known_before(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 10}))
    with serving(Behaviour(CONTENT)) as url, pytest.raises(InputError, match=r"has 10 bytes free.*needs 10,240 more"):
        fetch(url, path)


def test_two_processes_do_not_write_the_same_file(path: Path) -> None:
    path.parent.mkdir()
    with serving(Behaviour(CONTENT)) as url:
        with _alone(part_of(path)), pytest.raises(InputError, match="another process"):
            fetch(url, path)
        fetch(url, path)


@pytest.mark.parametrize("checksum", ["md5:12", "crc:0123", "0" * 32, "md5:" + "x" * 32])
def test_arguments(path: Path, checksum: str) -> None:
    with pytest.raises(InputError, match="write md5: and 32, or sha256: and 64"):
        fetch("http://none/file.tar", path, checksum=checksum)
    with pytest.raises(InputError, match="begins with https"):
        fetch("file:///etc/passwd", path)
