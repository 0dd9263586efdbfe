"""What a delivered file is, by its first bytes and whatever its name: data to read, packed data, or no data at all."""

from __future__ import annotations

import codecs
import gzip
import re
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from recomart_lib.core.errors import UserError
from recomart_lib.ingest.settings import Ingest
from recomart_lib.ingest.sources import unpacked, workbook_parts

HEAD = 65_536  # bytes of a file that are inspected
MAX_BYTES = Ingest().max_file_bytes
UNPACK = "unpack it"
GZIP, ZIP, PARQUET = b"\x1f\x8b\x08", b"PK\x03\x04", b"PAR1\x15"
MARKS = {  # byte order marks; UTF-32 first, as its mark starts with that of UTF-16
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
UTF_WIDE = re.compile(r"utf[-_ ]?(16|32)", re.IGNORECASE)
ONE_BYTE = re.compile(r"iso8859-|cp(125\d|437|85\d|866)$|mac-|koi8-")  # encodings with one byte per character
UTF_8_LETTERS = 3  # so many letters of several bytes, and no other bytes beyond ASCII, are no coincidence
MARKUP = re.compile(rb"\s*<(!doctype html|html|head|body|\?xml)", re.IGNORECASE)


class Signature(NamedTuple):
    """How files of one format start, what to call such a file, and what users can do about it."""

    start: bytes
    name: str
    advice: str


SIGNATURES = (
    Signature(GZIP, "gzipped", UNPACK),
    Signature(ZIP, "a ZIP archive", UNPACK),
    Signature(b"PK\x05\x06", "an empty ZIP archive", "deliver it again"),
    Signature(b"\x1f\x9d", "packed by compress", UNPACK),
    Signature(b"BZh", "packed by bzip2", f"{UNPACK} (bunzip2)"),
    Signature(b"\xfd7zXZ\x00", "packed by xz", f"{UNPACK} (unxz)"),
    Signature(b"\x28\xb5\x2f\xfd", "packed by Zstandard", f"{UNPACK} (unzstd)"),
    Signature(b"\x04\x22\x4d\x18", "packed by LZ4", f"{UNPACK} (unlz4)"),
    Signature(b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", UNPACK),
    Signature(b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    Signature(
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "an old Excel workbook (.xls), or one with a password",
        "save it as .xlsx without a password",
    ),
    Signature(b"%PDF-", "a PDF document", "ask for the data as CSV"),
    Signature(PARQUET, "a Parquet file", "set the table's `kind: parquet`"),
    Signature(b"SQLite format 3\x00", "an SQLite database", "export its table as CSV"),
    Signature(b"ARROW1\x00\x00", "an Arrow (Feather) file", "write it as Parquet"),
    Signature(b"Obj\x01", "an Avro file", "write it as Parquet"),
)
BZIP2_BLOCK = b"1AY&SY"  # a text may start with BZh, but does not continue like this


@contextmanager
def open_data(path: Path, max_bytes: int = MAX_BYTES) -> Iterator[IO[bytes]]:
    """The file's bytes; a gzipped file, and the only file in a ZIP archive, are unpacked, whatever they are called.

    Raises
    ------
    UserError
        If the file is an archive that is damaged, encrypted, or holds none or several files; or, while it is read, if
        it grows to more than `max_bytes` bytes, or to far more than the data of a shop do.
    """
    with ExitStack() as stack:
        stream = stack.enter_context(path.open("rb"))
        start = _head(stream)
        try:
            if start.startswith(GZIP):
                stream = unpacked.bounded(stack.enter_context(gzip.open(stream)), path, max_bytes)
            elif start.startswith(ZIP):
                member = _only_member(path, stack.enter_context(unpacked.open_zip(path, stream)))
                stream = unpacked.bounded(stack.enter_context(member), path, max_bytes)
            yield stream
        except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as problem:
            raise UserError(f"{path} is damaged, perhaps cut short: {problem}. Deliver it again.") from None


def is_packed(path: Path) -> bool:
    """Whether `open_data` unpacks the file."""
    with path.open("rb") as stream:
        return _head(stream).startswith((GZIP, ZIP))


def _head(stream: IO[bytes]) -> bytes:
    head = stream.read(HEAD)
    stream.seek(0)
    return head


def _only_member(path: Path, archive: zipfile.ZipFile) -> IO[bytes]:
    """The only file in a ZIP archive; folders, and what macOS adds to its archives, do not count."""
    names = archive.namelist()
    if office := _office_document(archive, names):
        raise UserError(f"{path} is {office}.")
    members = [info for info in archive.infolist() if not info.is_dir() and not info.filename.startswith("__MACOSX/")]
    if len(members) != 1:
        listed = ", ".join(info.filename for info in members[:5]) + (", ..." if len(members) > 5 else "")
        raise UserError(f"{path} is a ZIP archive of {len(members)} files ({listed}): {UNPACK} into SOURCE.")
    member = members[0]
    if member.flag_bits & 1:
        raise UserError(f"{path} is an encrypted ZIP archive: {UNPACK} into SOURCE.")
    unpacked.check_growth(path, member)
    try:
        return archive.open(member)
    except NotImplementedError as problem:
        raise UserError(
            f"{path} is a ZIP archive that Python cannot unpack ({problem}): {UNPACK} into SOURCE."
        ) from None


def _office_document(archive: zipfile.ZipFile, names: list[str]) -> str | None:
    """What an office document is and what to do, as its file is a ZIP archive, too."""
    if "xl/workbook.xml" in names:
        return "an Excel workbook: set the table's `kind: xlsx`"
    if "xl/workbook.bin" in names:
        return "a binary Excel workbook (.xlsb): save it as .xlsx or CSV"
    if "[Content_Types].xml" in names:
        return "an Office document: save its table as CSV"
    if "mimetype" in names and _starts(archive, "mimetype", b"application/vnd.oasis"):
        return "an OpenDocument file: save its table as CSV"
    return None


def _starts(archive: zipfile.ZipFile, member: str, start: bytes) -> bool:
    with archive.open(member) as stream:
        return stream.read(len(start)) == start


def check_text(path: Path, stream: IO[bytes]) -> bytes:
    """The first bytes of an unpacked file that should be text, which stays at its start.

    Raises
    ------
    UserError
        Names the format of a file that is no text, and says what to do.
    """
    head = _head(stream)
    if problem := _no_text(head):
        raise UserError(f"{path} {'is, unpacked,' if is_packed(path) else 'is'} {problem}.")
    return head


def check_parquet(path: Path, stream: IO[bytes]) -> None:
    """Raise a `UserError` that says what the file is, if it does not start as Parquet files do."""
    head = _head(stream)
    if not head.startswith(b"PAR"):
        raise UserError(f"{path} {'is, unpacked,' if is_packed(path) else 'is'} {_no_binary(head, 'Parquet file')}.")


@contextmanager
def open_workbook(path: Path, max_bytes: int = MAX_BYTES) -> Iterator[IO[bytes]]:
    """The bytes of an Excel workbook (.xlsx), which may be gzipped.

    Raises
    ------
    UserError
        Names the format of a file that is no workbook, and says what to do; or if it grows as no workbook does.
    """
    with path.open("rb") as stream, tempfile.TemporaryFile() as copied:
        workbook: IO[bytes] = stream
        if _head(stream).startswith(GZIP):
            with open_data(path, max_bytes) as data:
                unpacked.copy(data, copied, path)
            workbook = copied
        head = _head(workbook)
        if not head.startswith(ZIP):
            raise UserError(f"{path} is {_no_binary(head, 'Excel workbook')}.")
        try:
            archive = unpacked.open_zip(path, workbook)
        except zipfile.BadZipFile as problem:
            raise UserError(f"{path} is damaged, perhaps cut short: {problem}. Deliver it again.") from None
        if "xl/workbook.xml" not in archive.namelist():
            raise UserError(f"{path} is a ZIP archive, but no Excel workbook (.xlsx): {UNPACK}, or save it as .xlsx.")
        workbook_parts.check(path, archive)
        yield workbook


def _no_binary(head: bytes, wanted: str) -> str:
    """What a file is instead of the wanted one, and what to do."""
    if problem := _no_text(head):
        return problem
    if not head:
        return f"empty, and no {wanted}: deliver it again"
    start = head[:40].splitlines()[0].decode("utf-8", "backslashreplace")
    return f"no {wanted}, but starts with '{start}': if this is text, set the table's `kind` to csv or json"


def _no_text(head: bytes) -> str | None:
    """What a file is that is no text, and what to do; None for text."""
    for start, name, advice in SIGNATURES:
        if head.startswith(start) and (start != b"BZh" or head[4:10] == BZIP2_BLOCK):
            return f"{name}: {advice}"
    try:
        tarfile.TarInfo.frombuf(head[: tarfile.BLOCKSIZE], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        markup = MARKUP.match(head)
        if not markup:
            return None
        if markup[1].lower() == b"?xml":
            return "an XML document: ask for the data as CSV or JSON"
        return "an HTML page, perhaps of a login or an error: open it in a browser, and download the data again"
    return f"a tar archive: {UNPACK} (tar -xf)"


def codec(path: Path, head: bytes, declared: str) -> str:
    """The encoding of a text: what its byte order mark says, which is dropped, else the declared one.

    Raises
    ------
    UserError
        If the bytes are hardly text of the declared encoding: it has one byte per character and the text two or four,
        or the other way round, or all letters beyond ASCII are those of UTF-8.
    """
    if marked := next((encoding for mark, encoding in MARKS.items() if head.startswith(mark)), None):
        return marked
    looks_like = _wide_encoding(head)
    wide = UTF_WIDE.match(declared)
    if wide and not looks_like and head and 0 not in head:
        raise UserError(f"{path} is not {declared}: set the table's `encoding`, for example utf-8.")
    if looks_like and not (wide and looks_like.lower().startswith(_plain(declared))):
        name = looks_like.upper()
        raise UserError(f"{path} looks like {name} without a mark: set the table's `encoding: {looks_like}`.")
    if looks_like:
        return looks_like
    if ONE_BYTE.match(_plain(declared)) and _is_utf_8(head):
        raise UserError(f"{path} is declared as {declared}, but looks like UTF-8: set the table's `encoding: utf-8`.")
    return "utf-8-sig" if _plain(declared) == "utf-8" else declared


def _plain(encoding: str) -> str:
    """Python's name of an encoding, such as utf-8 for UTF8."""
    return codecs.lookup(encoding).name


def _is_utf_8(head: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)  # the last letter may be cut
    except UnicodeDecodeError:
        return False
    return sum(not letter.isascii() for letter in text) >= UTF_8_LETTERS


def _wide_encoding(head: bytes) -> str | None:
    """The encoding of a text without a mark that has NUL bytes where characters of two or four bytes have them."""
    if len(head) < 4:
        return None
    quarters = [head[place::4].count(0) / len(head[place::4]) for place in range(4)]
    if min(quarters[1:]) > 0.9 > 0.1 > quarters[0]:
        return "utf-32-le"
    if min(quarters[:3]) > 0.9 > 0.1 > quarters[3]:
        return "utf-32-be"
    even, odd = quarters[0] + quarters[2], quarters[1] + quarters[3]
    if max(even, odd) < 0.6 or min(even, odd) > 0.1 * max(even, odd):
        return None
    return "utf-16-be" if even > odd else "utf-16-le"
