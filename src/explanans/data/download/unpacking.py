"""Archives are looked through before they are unpacked, and unpacked as a whole or not at all.

Neither tarfile nor zipfile writes anything here: after every member has been checked, plain files are written at the
checked names, and nothing else. Owners, permissions, links and devices of an archive never reach the disk.
"""

from __future__ import annotations

import gzip
import json
import lzma
import posixpath
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Any

from explanans.errors import InputError
from explanans.utils.files import atomic_file
from explanans.utils.progress import Progress

RECEIPTS = ".unpacked"
"""Folder beside what was unpacked: for each archive the files that came out of it, with their sizes."""

Opened = tarfile.TarFile | zipfile.ZipFile


@dataclass(frozen=True)
class Member:
    """An entry of an archive: its name as written there, and what it is.

    source: the entry as tarfile or zipfile has it. target: the name of the file that a link means. fault: what forbids
    to unpack it.
    """

    source: Any
    written: str
    size: int = 0
    is_folder: bool = False
    target: str | None = None
    fault: str | None = None

    @property
    def name(self) -> str:
        """Relative, with forward slashes, without ``.`` parts."""
        return posixpath.normpath(self.written)


def unpack(archive: Path, folder: Path, *, progress: bool = True) -> Path:
    """Unpack a tar (plain, gzip, bzip2, xz) or zip archive into ``folder``, next to what lies there.

    First every member is checked. Then all files are written into a hidden folder, and only when the last one is there
    they are moved to their places; files of the same name are replaced. Where that was stopped, the next call goes on.
    ``folder/.unpacked`` then holds a list of the files, and an archive whose files are all there is not unpacked again.
    Of two members with one name the last counts, as in tar. A link to another file of the archive becomes a copy of it.

    Args:
        archive: the file; that it is the published one is for ``fetch`` to check.
        folder: is made where it does not exist.
        progress: say how far it is.

    Returns:
        ``folder``.

    Raises:
        InputError: no archive, or a damaged one; a member with an absolute or upward path, a link out of the archive, a
            device; too little space on the disk. Nothing is unpacked then.
    """
    archive, folder = Path(archive).expanduser(), Path(folder).expanduser()
    if is_unpacked(archive.name, folder):
        return folder
    begun, whole = folder / f".{archive.name}.unpacking", folder / f".{archive.name}.whole"
    with _open(archive) as opened:
        files = check_members(opened, archive)
        if not whole.is_dir():
            begun.mkdir(parents=True, exist_ok=True)
            _write(opened, files, begun, progress)
            begun.replace(whole)
    # Renames within one folder: quick, and finished by the next call where they are stopped.
    _move(whole, folder)
    with atomic_file(folder / RECEIPTS / f"{archive.name}.json") as receipt:
        receipt.write_text(json.dumps({file.name: _length(file, files) for file in files.values()}), encoding="utf-8")
    return folder


def is_unpacked(name: str, folder: Path) -> bool:
    """Whether the archive of this name was unpacked into ``folder`` and its files still have their sizes.

    The archive itself may be gone.
    """
    try:
        sizes = json.loads((folder / RECEIPTS / f"{name}.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    return all(_has_size(folder / file, size) for file, size in sizes.items())


def check_members(opened: Opened, archive: Path) -> dict[str, Member]:
    """The files of an archive by name, after every member has been found to be harmless.

    Raises:
        InputError: the first member that is not, and why.
    """
    members = [_tar_member(each) for each in opened] if isinstance(opened, tarfile.TarFile) else []
    if isinstance(opened, zipfile.ZipFile):
        members = [_zip_member(each) for each in opened.infolist()]
    files = {member.name: member for member in members if not member.is_folder}
    parents = {str(parent) for name in files for parent in PurePosixPath(name).parents}
    for member in members:
        fault = path_fault(member.written) or member.fault
        if member.target is not None and (member.target not in files or files[member.target].target is not None):
            fault = fault or "is a link to something that is no file of the archive"
        if not member.is_folder and member.name in parents:
            fault = fault or "is a file and a folder at once"
        if fault:
            raise InputError(
                f"{archive}: its member {member.written!r} {fault}. No data set needs that, so the archive has been "
                "tampered with or is another one, and nothing of it was unpacked. Delete it and fetch it anew from its "
                "official page."
            )
    return files


def path_fault(name: str) -> str | None:
    """What is wrong with a member's path, or None: it must stay in the folder on every system."""
    windows = PureWindowsPath(name)
    if name.startswith("/") or windows.is_absolute() or windows.drive or windows.root:
        return "has an absolute path"
    if ".." in windows.parts:
        return "has a path that leads upwards"
    if not name or "\\" in name or "\0" in name:
        return "has no proper path"
    return None


def _tar_member(info: tarfile.TarInfo) -> Member:
    if info.isdir():
        return Member(info, info.name, is_folder=True)
    if info.isreg():
        return Member(info, info.name, info.size)
    if info.issym() or info.islnk():
        # A hard link's target is a name in the archive, a symbolic link's is relative to the link.
        base = posixpath.dirname(info.name) if info.issym() else ""
        return Member(info, info.name, target=posixpath.normpath(posixpath.join(base, info.linkname)))
    return Member(info, info.name, fault="is a device or a pipe")


def _zip_member(info: zipfile.ZipInfo) -> Member:
    kind = stat.S_IFMT(info.external_attr >> 16)
    fault = None
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        fault = "is a link" if kind == stat.S_IFLNK else "is a device or a pipe"
    # orig_filename: the name before zipfile cut it at a NUL.
    return Member(info, info.orig_filename, info.file_size, info.is_dir(), fault=fault)


def _length(file: Member, files: dict[str, Member]) -> int:
    return file.size if file.target is None else files[file.target].size


def _write(opened: Opened, files: dict[str, Member], folder: Path, progress: bool) -> None:
    """Every file of ``files`` into ``folder``; those that an earlier call wrote are left, for each is whole."""
    missing = {name: file for name, file in files.items() if not _has_size(folder / name, _length(file, files))}
    need = sum(_length(file, files) for file in missing.values())
    if (free := shutil.disk_usage(folder).free) < need:
        raise InputError(f"{folder.parent} has {free:,} bytes free and the archive needs {need:,}; make room.")
    half = folder.with_name(f"{folder.name}.half")
    try:
        with Progress("unpacking", len(missing), unit="files", show=progress) as bar:
            for name, file in bar.over(missing.items()):
                place = folder / name
                place.parent.mkdir(parents=True, exist_ok=True)
                with _content(opened, file.source) as source, half.open("wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
                half.replace(place)
    finally:
        half.unlink(missing_ok=True)


def _content(opened: Opened, source: Any) -> IO[bytes]:
    if isinstance(opened, zipfile.ZipFile):
        return opened.open(source)
    content = opened.extractfile(source)  # Of a link: the file that it means.
    if content is None:
        raise tarfile.ReadError(f"{source.name} has no content")
    return content


def _move(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    for each in sorted(source.iterdir()):
        place = target / each.name
        if each.is_dir() and place.is_dir():
            _move(each, place)
        elif place.exists() and each.is_dir() != place.is_dir():
            raise InputError(
                f"{place} is in the way of the archive's {'folder' if each.is_dir() else 'file'}; move it."
            )
        else:
            each.replace(place)
    source.rmdir()


def _has_size(path: Path, size: int) -> bool:
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == size


@contextmanager
def _open(archive: Path) -> Iterator[Opened]:
    """The archive, read with tarfile or zipfile, whichever knows it; damage found while it is open is an InputError."""
    if not archive.is_file():
        raise InputError(f"archive {archive} does not exist.")
    try:
        # Not the other way round: a tar may hold a zip, which zipfile would find in it.
        if tarfile.is_tarfile(archive):
            with tarfile.open(archive) as tar:
                yield tar
        else:
            with zipfile.ZipFile(archive) as packed:
                yield packed
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, gzip.BadGzipFile, EOFError) as error:
        raise InputError(
            f"archive {archive} is damaged or none ({str(error) or type(error).__name__}); delete it and fetch it anew."
        ) from error
