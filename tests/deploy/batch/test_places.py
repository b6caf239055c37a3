"""A job whose results go into object storage: a real S3 server on this machine, cut off, killed, and claimed twice."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from explanans.cli.main import main
from explanans.deploy.batch import Options, claim, explain_many, explain_shards
from explanans.deploy.batch.changes import Changes
from explanans.deploy.batch.claim import claimed
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.utils import object_storage
from explanans.utils.object_storage import Disconnected, Objects

from ...programs import Programs  # noqa: TID252 - tests are no package with a name
from .s3 import Proxy, address

boto3 = pytest.importorskip("boto3", reason="needs moto, of the extra dev")

OPTIONS = ["--top_k=2", "--batch_size=2", "--shard_size=4", "--threads=1", "--device=cpu", "--quiet"]


@pytest.fixture(scope="session")
def client(port: int) -> Any:
    found = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name="us-east-1",
    )
    found.create_bucket(Bucket="results")
    return found


@pytest.fixture
def place(client: Any, request: pytest.FixtureRequest) -> Iterator[str]:
    """A path that nothing lies below."""
    path = f"results/{request.node.name.replace('[', '/').rstrip(']')} ü"
    yield path
    assert not client.list_multipart_uploads(Bucket="results").get("Uploads")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_storage, "WAITS", ())


def there(client: Any, place: str) -> dict[str, bytes]:
    """What lies below; the empty objects that mark a folder, as pyarrow leaves them, say nothing."""
    start = f"{place.partition('/')[2]}/"
    found = client.list_objects_v2(Bucket="results", Prefix=start).get("Contents", [])
    names = [each["Key"] for each in found if not each["Key"].endswith("/")]
    return {name[len(start) :]: client.get_object(Bucket="results", Key=name)["Body"].read() for name in names}


def here(folder: Path) -> dict[str, bytes]:
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def run(explainer: Explainer, photos: Path, out: str | Path, **more: Any) -> Any:
    options = Options(batch_size=2, top_k=2, threads=1)
    return explain_shards(explainer, [photos], out, options, shard_size=4, workers=0, **more)


def explain(saved: Path, photos: Path, out: str | Path, form: str = "parquet", workers: int = 0) -> int:
    """1, since a picture cannot be read."""
    words = ["explain", str(saved), str(photos), "--out", str(out), f"--format={form}", f"--workers={workers}"]
    return main([*words, "--no_receipts", *OPTIONS])


@pytest.mark.parametrize(("form", "workers"), [("parquet", 1), ("coco", 0), ("png", 0)])
def test_the_same_bytes_as_in_a_folder(
    saved: Path, photos: Path, tmp_path: Path, client: Any, place: str, port: int, form: str, workers: int
) -> None:
    out = address(place, port)
    assert explain(saved, photos, tmp_path / "out", form) == 1
    assert explain(saved, photos, out, form, workers) == 1
    whole = here(tmp_path / "out")
    assert there(client, place) == whole
    # There is nothing left to do, and nothing is written.
    before = client.list_objects_v2(Bucket="results")["Contents"]
    assert explain(saved, photos, out, form) == 1
    again = client.list_objects_v2(Bucket="results")["Contents"]
    assert [each["Key"] for each in again] == [each["Key"] for each in before]
    assert there(client, place) == whole


def test_the_format_of_a_job_is_remembered(
    saved: Path, photos: Path, place: str, port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["explain", str(saved), str(photos), "--out", address(place, port), "--no_receipts", "--workers=0"]
    words += OPTIONS[:-1]
    assert main([*words, "--format", "png"]) == 1
    assert main(words) == 1
    told = capsys.readouterr()
    assert f"10 of 11 explained (11 earlier), in s3://{place}" in told.out
    assert "secret" not in told.out + told.err
    assert main([*words, "--format", "coco"]) == 2
    error = capsys.readouterr().err
    assert 'options.format was "png", is "coco"' in error
    assert f"out=s3://{place} holds a batch job with other settings" in error


@pytest.mark.parametrize("left", [9_000, 25_000])
def test_a_connection_that_breaks_stops_the_job_and_the_next_run_ends_in_the_same_bytes(
    saved: Path,
    photos: Path,
    tmp_path: Path,
    client: Any,
    place: str,
    port: int,
    left: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    proxy = Proxy(port, "requests")
    out = address(place, proxy.port)
    proxy.left = left
    assert explain(saved, photos, out, "png") == 1
    assert proxy.broken
    error = capsys.readouterr().err
    assert f"out=s3://{place} cannot be reached" in error
    assert "repeat the command to go on" in error
    assert "Traceback" not in error
    assert "secret" not in error
    part = there(client, place)
    proxy.left = None
    assert explain(saved, photos, out, "png") == 1
    assert explain(saved, photos, tmp_path / "out", "png") == 1
    whole = there(client, place)
    assert whole == here(tmp_path / "out")
    # A shard that says it is done was whole. Of one that was cut the test's server may hold the beginning of an object,
    # which a store that compares lengths would have refused.
    for shard in ("0000/0000000/", "0000/0000001/", "0000/0000002/"):
        if part.get(f"{shard}images.parquet") == whole[f"{shard}images.parquet"]:
            assert all(part.get(name) == content for name, content in whole.items() if name.startswith(shard))
    proxy.close()


KILLED = """
import os, signal
from explanans.cli.main import main
from explanans.utils.object_storage import Objects
write, written = Objects.write, []

def killed(self, name, *arguments, **more):
    if len(written) == {after}:
        os.kill(os.getpid(), signal.SIGKILL)
    written.append(name)
    write(self, name, *arguments, **more)

Objects.write = killed
main({arguments!r})
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
@pytest.mark.parametrize("after", [2, 14])
def test_killed_in_the_middle(
    saved: Path, photos: Path, programs: Programs, tmp_path: Path, client: Any, place: str, port: int, after: int
) -> None:
    out = address(place, port)
    words = ["explain", str(saved), str(photos), "--out", out, "--format=png", "--workers=1", "--no_receipts", *OPTIONS]
    ended = programs.run(KILLED.format(after=after, arguments=words))
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert any(name.startswith(".claim-") for name in there(client, place))
    # Nothing is held by the dead.
    assert explain(saved, photos, out, "png") == 1
    assert explain(saved, photos, tmp_path / "out", "png") == 1
    assert there(client, place) == here(tmp_path / "out")


def test_photos_that_changed_since(
    explainer: Explainer, photos: Path, tmp_path: Path, client: Any, place: str, port: int
) -> None:
    folder, told = shutil.copytree(photos, tmp_path / "photos"), list[Changes]()
    places = (address(place, port), tmp_path / "out")
    for out in places:
        run(explainer, folder, out, told=told.append)
    assert told == []
    shutil.copy(folder / "a" / "01.png", folder / "a" / "05.png")
    os.utime(folder / "a" / "05.png", (1_000_000_000, 1_000_000_000))
    (folder / "a" / "00.png").unlink()
    outcomes = [run(explainer, folder, out, told=told.append) for out in places]
    assert outcomes[0] == outcomes[1]
    assert outcomes[0].earlier == 6
    assert told[0] == told[1]
    assert [len(each) for each in (told[0].added, told[0].changed, told[0].gone)] == [0, 1, 1]
    assert there(client, place) == here(tmp_path / "out")


@pytest.mark.parametrize(
    ("lost", "content"), [("masks.parquet", b""), ("images.parquet", None), ("images.parquet", b"PAR1")]
)
def test_a_shard_that_is_not_whole_is_made_again(
    explainer: Explainer, photos: Path, client: Any, place: str, port: int, lost: str, content: bytes | None
) -> None:
    run(explainer, photos, address(place, port))
    whole = there(client, place)
    key = f"{place.partition('/')[2]}/0000/0000001/{lost}"
    if content is None:
        client.delete_object(Bucket="results", Key=key)
    else:
        client.put_object(Bucket="results", Key=key, Body=content)
    client.put_object(Bucket="results", Key=key.replace(lost, "masks/0000/left.png"), Body=b"of an earlier run")
    assert run(explainer, photos, address(place, port)).earlier == 7
    assert there(client, place) == whole


def test_two_at_once(explainer: Explainer, photos: Path, place: str, port: int) -> None:
    out = address(place, port)

    def second(done: int, total: int) -> None:
        with pytest.raises(InputError, match=rf"another process is writing into out=s3://{place}; wait"):
            run(explainer, photos, out)

    run(explainer, photos, out, progress=second)
    assert run(explainer, photos, out).earlier == 11


def test_of_two_that_begin_together_one_at_most_goes_on(
    place: str, port: int, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have written their claims before either looks."""
    objects, meeting, inside = Objects(address(place, port)), threading.Barrier(2), []
    names = Objects.names

    def met(self: Objects) -> Any:
        meeting.wait(20)
        return names(self)

    def attempt() -> None:
        try:
            with claimed(objects):
                inside.append(True)
        except InputError:
            pass

    monkeypatch.setattr(Objects, "names", met)
    both = [threading.Thread(target=attempt) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert len(inside) <= 1
    assert there(client, place) == {}


def test_the_claim_of_another_machine_runs_out(
    place: str, port: int, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = Objects(address(place, port))
    foreign = ".claim-00000000-1-2-0123abcd"
    objects.write(foreign, b"")
    told = rf"killed on another machine, wait 10 minutes, or delete {foreign} there"
    with pytest.raises(InputError, match=told), claimed(objects):
        pass
    assert set(there(client, place)) == {foreign}
    monkeypatch.setattr(claim, "STALE", -timedelta(seconds=1).total_seconds())
    with claimed(objects):
        assert foreign not in there(client, place)
    assert there(client, place) == {}


def test_a_claim_is_renewed_and_one_that_was_lost_stays_lost(
    place: str, port: int, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects, renewed = Objects(address(place, port)), threading.Event()
    write, now = Objects.write, [0.0]

    def seen(self: Objects, *arguments: Any, **more: Any) -> None:
        write(self, *arguments, **more)
        if threading.current_thread().name == "claim":
            renewed.set()

    monkeypatch.setattr(Objects, "write", seen)
    monkeypatch.setattr(claim, "EVERY", 0.01)
    monkeypatch.setattr(claim, "_clock", lambda: now[0])
    with claimed(objects) as check:
        assert renewed.wait(20)
        check()
        now[0] = claim.STALE
        with pytest.raises(Disconnected, match=r"another process may have gone on with it.*repeat the command"):
            check()
    assert there(client, place) == {}


def test_a_large_object_takes_its_place_only_when_it_is_whole(
    place: str, port: int, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_storage, "AT_ONCE", 1000)
    objects, content = Objects(address(place, port)), bytes(range(256)) * 10
    (tmp_path / "file").write_bytes(content)
    objects.upload("a/file", tmp_path / "file")
    assert there(client, place) == {"a/file": content}
    objects.write("b", content[::-1])
    pieces = object_storage._pieces

    def stopped(file: Path) -> Iterator[bytes]:
        yield next(iter(pieces(file)))
        raise KeyboardInterrupt

    monkeypatch.setattr(object_storage, "_pieces", stopped)
    for name in ("a/file", "b", "c"):
        with pytest.raises(KeyboardInterrupt):
            objects.upload(name, tmp_path / "file")
    assert there(client, place) == {"a/file": content, "b": content[::-1]}


def test_what_is_not_there(place: str, port: int, tmp_path: Path) -> None:
    objects = Objects(address(place, port))
    assert objects.names() == {}
    assert objects.sizes("none") == {}
    assert not objects.fetch("none", tmp_path / "none")
    assert not (tmp_path / "none").exists()
    objects.remove("none")


def test_what_failed_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    waited, tries = [], []

    def third() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise OSError("no answer")
        return "answer"

    monkeypatch.setattr(object_storage.time, "sleep", waited.append)
    assert object_storage.retried(third, (1.0, 2.0)) == "answer"
    assert waited == [1.0, 2.0]
    for error in (FileNotFoundError("gone"), OSError("AWS Error ACCESS_DENIED"), OSError("no answer")):
        tries.clear()

        def fails(error: OSError = error) -> None:
            tries.append(1)
            raise error

        with pytest.raises(type(error), match=str(error)):
            object_storage.retried(fails, (1.0, 2.0))
        assert len(tries) == (3 if error.args == ("no answer",) else 1)


class Denying(BaseHTTPRequestHandler):
    """Every question is answered by 403."""

    def do_GET(self) -> None:
        content = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content if self.command != "HEAD" else b"")

    do_PUT = do_HEAD = do_GET

    def log_message(self, *_: Any) -> None:
        """To nobody."""


@pytest.fixture
def denying() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Denying)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture
def nobody() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("out", "status", "told"),
    [
        (lambda port, denying, nobody: address("no-such-bucket/x", port), 2, "there is no such bucket; make it first"),
        (lambda port, denying, nobody: address("results/x", denying), 2, "permission denied; check the credentials"),
        (lambda port, denying, nobody: address("results/x", nobody), 1, "cannot be reached"),
        (lambda port, denying, nobody: "s3://key:secret@", 2, "names no bucket"),
        (lambda port, denying, nobody: "ftp://key:secret@host/x", 2, "check the address"),
        (lambda port, denying, nobody: "s3://key:secret@b/x?scheme=carrier&pigeon=1", 2, "check the address"),
    ],
    ids=["bucket", "forbidden", "nobody", "nothing", "scheme", "settings"],
)
def test_where_nothing_can_be_written(
    saved: Path,
    photos: Path,
    client: Any,
    port: int,
    denying: int,
    nobody: int,
    out: Callable[[int, int, int], str],
    status: int,
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert explain(saved, photos, out(port, denying, nobody)) == status
    error = capsys.readouterr().err
    assert told in error
    assert "secret" not in error
    assert "Traceback" not in error


@pytest.mark.bad_input
def test_a_place_of_something_else(
    explainer: Explainer, photos: Path, tmp_path: Path, client: Any, place: str, port: int
) -> None:
    out = address(place, port)
    client.put_object(Bucket="results", Key=f"{place.partition('/')[2]}/notes.txt", Body=b"mine")
    with pytest.raises(InputError, match=rf"out=s3://{place} holds other things \(notes\.txt\) and no job\.json"):
        run(explainer, photos, out)
    client.put_object(Bucket="results", Key=f"{place.partition('/')[2]}/job.json", Body=b"{")
    with pytest.raises(InputError, match=rf"^s3://{place}/job\.json \(batch job\) is not valid JSON"):
        run(explainer, photos, out)
    assert set(there(client, place)) == {"notes.txt", "job.json"}
    with pytest.raises(InputError, match="is an address"):
        explain_many(explainer, sorted(photos.rglob("*.png")), out)


@pytest.mark.bad_input
def test_folders_are_for_this_machine(saved: Path, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(saved, photos, "s3://key:secret@bucket/x", "folders") == 2
    error = capsys.readouterr().err
    assert "format=folders is written to this machine, not into s3://bucket/x; take parquet, coco or png" in error


def test_a_folder_may_be_named_by_its_address(explainer: Explainer, photos: Path, tmp_path: Path) -> None:
    run(explainer, photos, (tmp_path / "a b").as_uri())
    assert (tmp_path / "a b" / "job.json").is_file()
