"""The archives that data sets are published as, and their way into a folder.

The checksums are md5 because the official pages and torchvision name those. Against tampering the addresses are https;
the checksum finds what broke on the way. COCO's server has no https under its name, so COCO's are SHA-256, as
TensorFlow Datasets publishes them.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from explanans.data.download.download import fetch
from explanans.data.download.unpacking import is_unpacked, unpack
from explanans.errors import InputError
from explanans.utils.files import user_folder
from explanans.utils.paths import user_path


@dataclass(frozen=True)
class Archive:
    """A published file: its address, the official page that it is described on, its bytes and its checksum."""

    url: str
    page: str
    size: int
    checksum: str

    @property
    def name(self) -> str:
        return Path(urllib.parse.urlsplit(self.url).path).name


def _voc(file: str, year: int, size: int, md5: str) -> Archive:
    url = f"https://thor.robots.ox.ac.uk/pascal/VOC/voc{year}/{file}"
    return Archive(url, f"http://host.robots.ox.ac.uk/pascal/VOC/voc{year}/", size, f"md5:{md5}")


def _cub(record: str, file: str, size: int, md5: str) -> Archive:
    page = f"https://data.caltech.edu/records/{record}"
    return Archive(f"{page}/files/{file}?download=1", page, size, f"md5:{md5}")


def _coco(path: str, size: int, sha256: str) -> Archive:
    return Archive(
        f"http://images.cocodataset.org/{path}", "https://cocodataset.org/#download", size, f"sha256:{sha256}"
    )


PUBLISHED: dict[str, dict[str, Archive]] = {
    "voc:2007": {
        "trainval": _voc("VOCtrainval_06-Nov-2007.tar", 2007, 460_032_000, "c52e279531787c972589f7e41ab4ae64"),
        "test": _voc("VOCtest_06-Nov-2007.tar", 2007, 451_020_800, "b6e924de25625d8de591ea690078ad9f"),
    },
    # Its test annotations were never published.
    "voc:2012": {
        "trainval": _voc("VOCtrainval_11-May-2012.tar", 2012, 1_999_639_040, "6cd6e144f989b92b3379bac3b3de84fd"),
    },
    "cub:2011": {
        "images": _cub("65de6-vp158", "CUB_200_2011.tgz", 1_150_585_339, "97eceeb196236b17998738112f37df78"),
        "segmentations": _cub("w9d68-gec53", "segmentations.tgz", 39_272_883, "4d47ba1228eae64f2fa547c47bc65255"),
    },
    "coco:2014": {
        "annotations": _coco(
            "annotations/annotations_trainval2014.zip",
            252_872_794,
            "031296bbc80c45a1d1f76bf9a90ead27e94e99ec629208449507a4917a3bf009",
        ),
        "train": _coco(
            "zips/train2014.zip", 13_510_573_713, "ede4087e640bddba550e090eae701092534b554b42b05ac33f0300b984b31775"
        ),
        "val": _coco(
            "zips/val2014.zip", 6_645_013_297, "fe9be816052049c34717e077d9e34aa60814a55679f804cd043e3cbee3b9fde0"
        ),
    },
}

PLACES = {
    "voc:2007": "VOCdevkit/VOC2007",
    "voc:2012": "VOCdevkit/VOC2012",
    "cub:2011": "CUB_200_2011",
    "coco:2014": "COCO2014",
}
"""Where in a folder of data sets each lies."""

UNPACKED_IN = {"coco:2014": "COCO2014"}
"""Where in a folder of data sets archives are unpacked that do not bring the folder of ``PLACES`` with them."""


def data_root() -> Path:
    """Where ``voc:2007`` and its like lie: $EXPLANANS_DATA, else explanans/data in $XDG_CACHE_HOME or in ~/.cache."""
    return user_folder("EXPLANANS_DATA", "data")


def install(
    data: str, folder: str | Path | None = None, *, parts: Sequence[str] | None = None, progress: bool = True
) -> Path:
    """Fetch and unpack the archives of a published data set; what is there already is neither fetched nor unpacked.

    Args:
        data: a name in ``PUBLISHED``.
        folder: gets the archives and what comes out of them; None for the folder that ``voc:2007`` and its like look
            in ($EXPLANANS_DATA, or ~/.cache/explanans/data). The archives may be deleted afterwards.
        parts: the archives wanted: of VOC trainval and test, of CUB images and segmentations, of COCO annotations,
            train and val; None for all.
        progress: bars with the time left.

    Returns:
        The data set's folder, for ``voc:PATH``.

    Raises:
        InputError: an unknown part; whatever ``fetch`` and ``unpack`` find. Without a network the message names every
            file that is still to be fetched and where it belongs.
    """
    archives = PUBLISHED[data]
    wanted = tuple(archives) if parts is None else tuple(parts)
    unknown = [part for part in wanted if part not in archives]
    if unknown or not wanted:
        fault = f"{unknown[0]!r} is unknown" if unknown else "it names none"
        raise InputError(f"part={','.join(wanted)!r}: {fault}; {data} has the parts {', '.join(archives)}.")
    folder = data_root() if folder is None else user_path(folder, "folder")
    target = folder / UNPACKED_IN.get(data, "")
    pending = [archives[part] for part in wanted if not is_unpacked(archives[part].name, target)]
    for i, archive in enumerate(pending):
        place = folder / archive.name
        try:
            fetch(
                archive.url, place, size=archive.size, checksum=archive.checksum, page=archive.page, progress=progress
            )
        except InputError as error:
            raise InputError(f"{error}{_rest(pending[i + 1 :], folder)}") from error
        unpack(place, target, progress=progress)
    return folder / PLACES[data]


def _rest(archives: Sequence[Archive], folder: Path) -> str:
    missing = [archive for archive in archives if not (folder / archive.name).exists()]
    lines = [f"{each.url} ({each.checksum.replace(':', ' ')}) at {(folder / each.name).absolute()}" for each in missing]
    return f" Still to come: {'; '.join(lines)}." if lines else ""


def installed_as(data: str, folder: str | Path | None) -> str:
    """The name by which a data set in ``folder`` is opened: its year where it lies in :func:`data_root`."""
    if folder is None or user_path(folder, "folder").absolute() == data_root().absolute():
        return data
    return f"{data.partition(':')[0]}:{user_path(folder, 'folder') / PLACES[data]}"
