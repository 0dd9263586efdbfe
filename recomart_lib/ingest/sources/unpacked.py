"""Packed files, read with an end to what they may grow to: a few megabytes of zeros fill any memory and any disk."""

from __future__ import annotations

import io
import os
import shutil
import struct
import tempfile
import zipfile
from pathlib import Path
from typing import IO, NoReturn

from recomart_lib.core.errors import UserError

LARGE, MAX_RATIO = 100_000_000, 200  # what has more bytes than LARGE and grows by more than MAX_RATIO is no feed
MAX_DIRECTORY = 16_000_000  # bytes of the list of files in a ZIP archive, some 100,000 files
BLOCK = 1 << 20  # bytes per read
ZIP_BLOCK = 4_096  # ... in a ZIP archive: Python unpacks what it reads as a whole if it is packed by bzip2 or LZMA
END_OF_ZIP, END_OF_ZIP_64 = b"PK\x05\x06", b"PK\x06\x06"
MAX_END = 65_557 + 76  # bytes from the end of a ZIP archive in which the end of its list is found
ADVICE = "If this is right, unpack it into SOURCE."


class _Bounded(io.RawIOBase):
    """An unpacked stream that ends with a `UserError` where it grows beyond what a feed can mean."""

    def __init__(self, stream: IO[bytes], path: Path, max_bytes: int) -> None:
        self._stream, self._path, self._max_bytes = stream, path, max_bytes
        self._packed_bytes = path.stat().st_size
        self._block = ZIP_BLOCK if isinstance(stream, zipfile.ZipExtFile) else BLOCK

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        return self._stream.seek(place, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def readinto(self, buffer: bytearray) -> int:
        block = self._stream.read(min(len(buffer), self._block))
        buffer[: len(block)] = block
        n_bytes = self._stream.tell()
        if n_bytes > self._max_bytes:
            raise UserError(
                f"{self._path} has, unpacked, more than ingest.max_file_bytes = {self._max_bytes:,} bytes (in "
                "params.yaml). If this is right, raise ingest.max_file_bytes."
            )
        if n_bytes > max(LARGE, MAX_RATIO * self._packed_bytes):
            _refuse_growth(self._path, "it", self._packed_bytes, n_bytes)
        return len(block)


def bounded(stream: IO[bytes], path: Path, max_bytes: int) -> IO[bytes]:
    """An unpacked stream that raises a `UserError` once it is too large, see `open_data`."""
    return io.BufferedReader(_Bounded(stream, path, max_bytes), 1 << 17)


def check_growth(path: Path, member: zipfile.ZipInfo) -> None:
    """Raise a `UserError` if a file in a ZIP archive says that it grows as no feed does. It cannot grow to more."""
    if member.file_size > max(LARGE, MAX_RATIO * member.compress_size):
        _refuse_growth(path, f"its file {member.filename}", member.compress_size, member.file_size)


def _refuse_growth(path: Path, what: str, packed: int, n_bytes: int) -> NoReturn:
    raise UserError(f"{path} is packed, and {what} grows from {packed:,} to {n_bytes:,} bytes or more. {ADVICE}")


def copy(stream: IO[bytes], target: IO[bytes], path: Path) -> None:
    """Copy unpacked bytes to a temporary file, and rewind it.

    Raises
    ------
    UserError
        If they would take more than half of the free space of the disk.
    """
    folder = tempfile.gettempdir()
    room = shutil.disk_usage(folder).free // 2
    while block := stream.read(BLOCK):
        room -= len(block)
        if room < 0:
            raise UserError(
                f"{path} takes, unpacked, more than half of the free space in {folder}. Free disk space there, or "
                "unpack the file into SOURCE."
            )
        target.write(block)
    target.seek(0)


def open_zip(path: Path, stream: IO[bytes]) -> zipfile.ZipFile:
    """The ZIP archive in a stream.

    Raises
    ------
    UserError
        If it has so many files that the list of them alone fills the memory.
    """
    if _directory_bytes(stream) > MAX_DIRECTORY:
        raise UserError(f"{path} is a ZIP archive of more than 100,000 files: unpack it into SOURCE.")
    return zipfile.ZipFile(stream)


def _directory_bytes(stream: IO[bytes]) -> int:
    """The size of the list of files that the end of a ZIP archive declares, in its old form and in that of ZIP64."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - MAX_END))
    tail = stream.read()
    stream.seek(0)
    sizes = [0]
    for mark, form, place in (END_OF_ZIP, "<L", 12), (END_OF_ZIP_64, "<Q", 40):
        start = tail.rfind(mark)
        if start >= 0 and len(tail) >= start + place + struct.calcsize(form):
            sizes.append(*struct.unpack_from(form, tail, start + place))
    return max(value for value in sizes if value != 0xFFFFFFFF)
