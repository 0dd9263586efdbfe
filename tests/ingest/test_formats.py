"""What a delivered file is, whatever its name: read, unpacked, or named in one sentence."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

import polars as pl
import pytest

from recomart_lib.core.errors import UserError
from recomart_lib.core.shop_tables import Table
from recomart_lib.ingest.sources import csv_reader, parquet_reader, unpacked
from recomart_lib.ingest.sources.records import open_text

TEXT = "id,who\ne1,Zoë\n"
CSV = TEXT.encode()


def zipped(**members: bytes) -> bytes:
    """A ZIP archive; `folder__a_csv` is the member folder/a.csv."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), content)
    return buffer.getvalue()


def tar(mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        member = tarfile.TarInfo("a.csv")
        member.size = len(CSV)
        archive.addfile(member, io.BytesIO(CSV))
    return buffer.getvalue()


def parquet() -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame({"id": ["e1"]}).write_parquet(buffer)
    return buffer.getvalue()


@pytest.fixture
def read(tmp_path):
    """`read(content, encoding)`: the text of a file with this content."""

    def text(content: bytes, encoding: str = "utf-8", name: str = "f.csv") -> str:
        path = tmp_path / name
        path.write_bytes(content)
        with open_text(path, encoding, newline="") as stream:
            return stream.read()

    return text


@pytest.mark.parametrize(
    "content",
    [
        CSV,
        gzip.compress(CSV),
        gzip.compress(CSV[:9]) + gzip.compress(CSV[9:]),
        zipped(a_csv=CSV),
        zipped(folder__a_csv=CSV, folder__=b""),
    ],
    ids=["plain", "gzip", "gzip in two parts", "ZIP", "ZIP with a folder"],
)
@pytest.mark.parametrize("name", ["f.csv", "f.csv.gz", "f.csv.GZ", "f.zip", "f"])
def test_packed_files_are_read_by_what_they_are_and_not_by_their_name(read, content, name):
    assert read(content, name=name) == TEXT


def test_what_macos_adds_to_a_zip_archive_does_not_count(read):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.csv", CSV)
        archive.writestr("__MACOSX/._a.csv", b"x")
    assert read(buffer.getvalue()) == TEXT


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (zipped(a_csv=CSV, b_csv=CSV), "is a ZIP archive of 2 files (a.csv, b.csv): unpack it into SOURCE."),
        (zipped(), "is an empty ZIP archive: deliver it again."),
        (zipped(a_csv=gzip.compress(CSV)), "is, unpacked, gzipped: unpack it."),
        (zipped(xl__workbook_xml=b""), "is an Excel workbook: set the table's `kind: xlsx`."),
        (zipped(word__document_xml=b"", **{"[Content.Types]_xml": b""}), "is a ZIP archive of 2 files"),
        (zipped(mimetype=b"application/vnd.oasis.opendocument.spreadsheet"), "is an OpenDocument file"),
        (tar("w"), "is a tar archive: unpack it (tar -xf)."),
        (tar("w:gz"), "is, unpacked, a tar archive: unpack it (tar -xf)."),
        (bz2.compress(CSV), "is packed by bzip2: unpack it (bunzip2)."),
        (lzma.compress(CSV), "is packed by xz: unpack it (unxz)."),
        (b"\x28\xb5\x2f\xfd\x00", "is packed by Zstandard: unpack it (unzstd)."),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an old Excel workbook (.xls), or one with a password"),
        (b"%PDF-1.7", "is a PDF document: ask for the data as CSV."),
        (parquet(), "is a Parquet file: set the table's `kind: parquet`."),
        (b"\n <!DOCTYPE html>\n<html>", "is an HTML page, perhaps of a login or an error"),
        (b"<?xml version='1.0'?><a/>", "is an XML document: ask for the data as CSV or JSON."),
        (gzip.compress(CSV)[:-9], "is damaged, perhaps cut short: "),
        (zipped(a_csv=CSV * 99)[:60], "is damaged, perhaps cut short: "),
    ],
)
def test_what_is_no_text_is_named_in_one_sentence(read, content, sentence):
    with pytest.raises(UserError) as caught:
        read(content)
    assert f"f.csv {sentence}" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("text", ["BZh9,who\n", "PAR1,who\n", "%PDF,who\n", "PK,who\n", "Rar!,who\n"])
def test_a_text_may_start_like_a_format(read, text):
    assert read(text.encode()) == text


def test_a_zip_archive_with_a_password_is_reported(read):
    content = bytearray(zipped(a_csv=CSV))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(UserError, match="is an encrypted ZIP archive: unpack it into SOURCE"):
        read(bytes(content))


def test_a_zip_archive_that_grows_beyond_measure_is_not_unpacked(read, monkeypatch):
    monkeypatch.setattr(unpacked, "LARGE", 10_000)
    with pytest.raises(UserError, match=r"its file a.csv grows from [\d,]+ to 1,000,000 bytes"):
        read(zipped(a_csv=b"x" * 1_000_000))


@pytest.mark.parametrize("declared", ["utf-8", "utf-16", "latin-1", "utf-16-le"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_says_the_encoding_and_is_dropped(read, encoding, declared):
    assert read(TEXT.encode(encoding), declared) == TEXT
    assert read(gzip.compress(TEXT.encode(encoding)), declared) == TEXT


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_a_text_of_wide_characters_without_a_mark_must_be_declared(read, encoding):
    content = TEXT.encode(encoding)
    with pytest.raises(UserError, match=rf"f.csv looks like {encoding.upper()} without a mark.*`encoding: {encoding}`"):
        read(content)
    assert read(content, encoding) == read(content, encoding[:6]) == TEXT
    assert read(("\ufeff" + TEXT).encode(encoding), encoding) == TEXT


def test_a_text_that_is_declared_wide_and_is_not_is_reported(read):
    with pytest.raises(UserError, match=r"f.csv is not utf-16: set the table's `encoding`, for example utf-8"):
        read(CSV, "utf-16")


@pytest.mark.parametrize("declared", ["latin-1", "cp1252", "ISO-8859-15", "cp1251"])
def test_utf_8_that_is_declared_as_another_encoding_is_reported(read, declared):
    with pytest.raises(UserError, match=rf"f.csv is declared as {declared}, but looks like UTF-8"):
        read("id,who\ne1,Zoë Käse Öl\n".encode(), declared)
    assert read("Zoë Käse Öl".encode("latin-1"), "latin-1") == "Zoë Käse Öl"
    assert read("Ã¼".encode("latin-1"), "latin-1") == "Ã¼", "one such pair may be a coincidence"


def test_wide_characters_of_other_scripts_are_recognised(read):
    text = "客户,商品,时间\n" + "客1,茶2,2024-01-01 12:00:00\n" * 3
    with pytest.raises(UserError, match="looks like UTF-16-LE"):
        read(text.encode("utf-16-le"))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (CSV, "is no Parquet file, but starts with 'id,who': if this is text, set the table's `kind` to csv or json."),
        (b"", "is empty, and no Parquet file: deliver it again."),
        (b"<html>", "is an HTML page"),
        (gzip.compress(CSV), "is, unpacked, no Parquet file, but starts with 'id,who'"),
    ],
)
def test_what_is_no_parquet_is_named_in_one_sentence(tmp_path, content, sentence):
    path = tmp_path / "f.parquet"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        list(parquet_reader.read(path, Table(kind="parquet", path="*")))
    assert f"f.parquet {sentence}" in str(caught.value)


@pytest.mark.parametrize("pack", [gzip.compress, lambda content: zipped(a_parquet=content)])
def test_packed_parquet_is_read(tmp_path, pack):
    path = tmp_path / "f.parquet"
    path.write_bytes(pack(parquet()))
    assert parquet_reader.header(path, Table(kind="parquet", path="*")) == ["id"]


def test_a_mark_is_not_part_of_the_first_name(tmp_path):
    path = tmp_path / "f.csv"
    path.write_bytes(b"\xff\xfe" + TEXT.encode("utf-16-le"))
    assert csv_reader.header(path, Table(kind="csv", path="*", encoding="utf-16-le")) == ["id", "who"]
