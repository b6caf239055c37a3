from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from torch import Tensor, nn

import explanans
from explanans import explainers
from explanans.classifiers import SmallResNet
from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.sources import Source
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.explainers.saving import WEIGHTS
from explanans.images.preprocessing import Preprocessing
from explanans.utils import network

from .hub_server import Hub, serving

NAME = "somebody/dogs"
PATIENCE = 600
# The packages without what they import.
ALONE = """
import sys, types
for name, folder in zip(("explanans", "explanans.explainers"), {folders}):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [folder]
from explanans.explainers import hub
from explanans.utils import network
"""


def made(seed: int = 0) -> Explainer:
    torch.manual_seed(seed)
    classifier = Explanandum(
        SmallResNet(2),
        classes=("cat", "dog"),
        activation="sigmoid",
        preprocessing=Preprocessing(32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        source=Source("explanans:small_resnet", {"num_classes": 2}),
    )
    explainer = Explainer(classifier, "compact").eval()
    # The masks of a new network are all but flat, so that nothing could be told apart.
    nn.init.normal_(explainer.network.head.weight, std=2.0)
    return explainer


def images() -> Tensor:
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
def place(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The client of this process talks to ``hub`` alone and keeps what it fetched in a cache of the test's own."""
    with serving(hub) as url:
        monkeypatch.setattr(constants, "ENDPOINT", url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        # However busy this machine is, its server is not out of reach.
        monkeypatch.setattr(network, "SECONDS", PATIENCE)
        for wait in ("HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT"):
            monkeypatch.setattr(constants, wait, PATIENCE)
        yield url


@pytest.mark.usefixtures("place")
def test_what_is_pushed_comes_back_bit_for_bit(hub: Hub) -> None:
    explainer = made()
    explainer.facts = {"seed": 3}
    explainer.calibrate(2.5, -0.75)
    explainer.push_to_hub(NAME)
    assert {WEIGHTS, "config.json", "README.md", f"classifier/{WEIGHTS}"} <= set(hub.find(NAME, "main")[1])
    again = Explainer.from_pretrained(NAME)
    assert torch.equal(again(images()), explainer(images()))
    assert torch.equal(again.explanandum(images()), explainer.explanandum(images()))
    assert again.facts == {"seed": 3}
    assert again.explanandum.identity() == explainer.explanandum.identity()


@pytest.mark.usefixtures("place")
def test_revisions_are_branches_tags_and_commits(hub: Hub) -> None:
    first, second, other = made(1), made(2), made(3)
    first.push_to_hub(NAME)
    commit = hub.find(NAME, "main")[0]
    hub.tags[NAME, "v1"] = commit
    second.push_to_hub(NAME, branch="main")
    hub.commits[NAME].append((commit[::-1], "trial", dict(hub.find(NAME, "main")[1])))
    other.push_to_hub(NAME, branch="trial")
    for revision, expected in ((None, second), ("main", second), ("v1", first), (commit, first), ("trial", other)):
        assert torch.equal(Explainer.from_pretrained(NAME, revision=revision)(images()), expected(images())), revision
    with pytest.raises(InputError, match=r"has no revision 'v9'; give a branch, a tag or a commit"):
        Explainer.from_pretrained(NAME, revision="v9")


@pytest.mark.usefixtures("place")
def test_the_cache_is_fetched_once(hub: Hub) -> None:
    explainer = made()
    explainer.push_to_hub(NAME)
    Explainer.from_pretrained(NAME)
    Explainer.from_pretrained(NAME)
    assert len(hub.fetched(f"resolve/{hub.find(NAME, 'main')[0]}/{WEIGHTS}")) == 1


def test_without_a_network_the_cache_answers(
    hub: Hub, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    explainer = made()
    explainer.push_to_hub(NAME)
    Explainer.from_pretrained(NAME)
    before = len(hub.requests)
    assert torch.equal(Explainer.from_pretrained(NAME, local_files_only=True)(images()), explainer(images()))
    assert len(hub.requests) == before
    # Nobody listens on this port of the loopback.
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert torch.equal(Explainer.from_pretrained(NAME)(images()), explainer(images()))
    with pytest.raises(InputError, match=r"cache has not the whole of it, and the hub at http://127.0.0.1:9 was not"):
        Explainer.from_pretrained(NAME, cache_dir=tmp_path / "empty")
    monkeypatch.setattr(constants, "ENDPOINT", place)
    with pytest.raises(InputError, match=r"cache has not the whole of it.*Go online, or give the folder of a copy"):
        Explainer.from_pretrained(NAME, cache_dir=tmp_path / "empty", local_files_only=True)


@pytest.mark.usefixtures("place")
def test_a_download_that_broke_off_goes_on(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    # What arrived is kept in pieces of this size.
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    explainer = made()
    explainer.push_to_hub(NAME)
    hub.breaks[WEIGHTS] = [50_000, 20_000]
    assert torch.equal(Explainer.from_pretrained(NAME)(images()), explainer(images()))
    assert {"bytes=50000-", "bytes=70000-"} <= set(hub.fetched(WEIGHTS))


@pytest.mark.usefixtures("place")
def test_a_half_fetched_model_is_never_loaded(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    explainer = made()
    explainer.push_to_hub(NAME)
    hub.breaks[WEIGHTS] = [1000] * 200
    # Between its attempts the client waits.
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with pytest.raises(InputError, match=r"could not be fetched from the hub at .* Repeat the call"):
        Explainer.from_pretrained(NAME)
    with pytest.raises(InputError, match="has not the whole of it"):
        Explainer.from_pretrained(NAME, local_files_only=True)
    hub.breaks.clear()
    assert torch.equal(Explainer.from_pretrained(NAME)(images()), explainer(images()))


@pytest.mark.usefixtures("place")
def test_what_is_not_there_is_named(hub: Hub) -> None:
    with pytest.raises(InputError, match=r"'somebody/nothing' is no folder here, and the hub at .* has none of that"):
        Explainer.from_pretrained("somebody/nothing")
    with pytest.raises(InputError, match=r"'runs/a/b' is no folder here, nor can it be a name on the hub"):
        Explainer.from_pretrained("runs/a/b")
    made().push_to_hub(NAME)
    hub.gated.add(NAME)
    with pytest.raises(InputError, match=r"only to those who were admitted"):
        Explainer.from_pretrained(NAME)


@pytest.mark.usefixtures("place")
def test_a_model_of_another_kind_is_named(hub: Hub) -> None:
    hub.commits["somebody/else"] = []
    hub.commit("somebody/else", "main", {"config.json": b'{"architectures": ["Bert"]}'}, set())
    with pytest.raises(InputError, match="lacks mask_network, classifier"):
        Explainer.from_pretrained("somebody/else")


def test_pushing_without_leave_says_how_to_log_in(hub: Hub, place: str) -> None:
    hub.token = "hf_secret"
    with pytest.raises(InputError, match=rf"the hub at {place} refuses to have somebody/dogs written.*hf auth login"):
        made().push_to_hub(NAME)
    made().push_to_hub(NAME, token="hf_secret")
    assert WEIGHTS in hub.find(NAME, "main")[1]


def test_the_environment_names_the_hub(hub: Hub, place: str, tmp_path: Path) -> None:
    """In a process of its own, because huggingface_hub reads HF_ENDPOINT when it is imported; without PyTorch, which
    asks no hub and takes seconds."""
    explainer = made()
    explainer.push_to_hub(NAME)
    code = ALONE.format(folders=[explanans.__path__[0], explainers.__path__[0]])
    code += f"network.SECONDS = {PATIENCE}; print(hub.fetch(sys.argv[1], ['*']))"
    waits = dict.fromkeys(("HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT"), str(PATIENCE))
    environment = {**os.environ, **waits, "HF_ENDPOINT": place, "HF_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", code, NAME], env=environment, check=True, capture_output=True, text=True
    )
    folder = Path(done.stdout.strip())
    assert folder.is_relative_to(tmp_path / "home")
    assert torch.equal(Explainer.from_pretrained(folder)(images()), explainer(images()))


@pytest.mark.usefixtures("place")
def test_the_card_names_the_model_and_stays_where_it_was_edited(hub: Hub, tmp_path: Path) -> None:
    def card() -> str:
        return hub.find(NAME, "main")[1]["README.md"].decode()

    def edit(old: str, new: str) -> None:
        assert old in card()
        hub.commit(NAME, "main", {"README.md": card().replace(old, new, 1).encode()}, set())

    explainer = made()
    explainer.push_to_hub(NAME)
    assert f'Explainer.from_pretrained("{NAME}")' in card()
    edit("---\n", "---\nlicense: mit\n")
    explainer.facts = {"seed": 77}
    explainer.push_to_hub(NAME)
    assert "license: mit" in card()
    assert "seed: 77" in card()
    edit("A second network", "My second network")
    explainer.facts = {"seed": 88}
    explainer.push_to_hub(NAME)
    assert "My second network" in card()
    assert "seed: 77" in card()
    explainer.save_pretrained(tmp_path / "dogs", push_to_hub=True, repo_id=NAME, overwrite_card=True)
    assert "A second network" in card()
    assert "seed: 88" in card()
    assert "license: mit" in card()
    assert explainer.card is None


@pytest.mark.parametrize("name", ["dogs", "a/b/c", "some body/dogs", "somebody/dogs--"])
@pytest.mark.usefixtures("place")
def test_a_name_must_be_one(name: str) -> None:
    with pytest.raises(InputError, match="OWNER/NAME"):
        made().push_to_hub(name)
