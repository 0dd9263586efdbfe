"""Packed files end where they grow to more than a feed does."""

from __future__ import annotations

import gzip
import io
import shutil
import struct
import zipfile

import pytest

from recomart_lib.core.errors import UserError
from recomart_lib.core.shop_tables import Table
from recomart_lib.ingest.settings import Ingest
from recomart_lib.ingest.sources import csv_reader, formats, parquet_reader, unpacked

ZEROS = b"a\n" * 50_000


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(unpacked, "LARGE", 10_000)


def zipped(content: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("a.csv", content)
    return buffer.getvalue()


def read_all(path, max_bytes: int = 10**9) -> bytes:
    with formats.open_data(path, max_bytes) as stream:
        return stream.read()


@pytest.mark.parametrize("content", [gzip.compress(ZEROS), gzip.compress(b"a") + gzip.compress(ZEROS)])
def test_a_gzipped_file_that_grows_beyond_measure_is_refused_while_it_is_read(tmp_path, content):
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(UserError, match=r"f is packed, and it grows from [\d,]+ to [\d,]+ bytes or more\. If this is"):
        read_all(tmp_path / "f")


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_archive_that_says_so_is_refused_before_it_is_read(tmp_path, method):
    (tmp_path / "f").write_bytes(zipped(ZEROS, method))
    with pytest.raises(UserError, match=r"and its file a.csv grows from [\d,]+ to 100,000 bytes"):
        read_all(tmp_path / "f")


def test_a_zip_archive_cannot_hide_what_it_grows_to(tmp_path):
    content = zipped(ZEROS).replace(struct.pack("<L", len(ZEROS)), struct.pack("<L", 100))
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(UserError, match="is damaged"):
        read_all(tmp_path / "f")


def test_packed_blocks_are_read_in_small_pieces_from_a_zip_archive(tmp_path):
    (tmp_path / "f").write_bytes(zipped(b"a\n" * 100, zipfile.ZIP_BZIP2))
    sizes = []
    with zipfile.ZipFile(tmp_path / "f") as archive, archive.open("a.csv") as member:
        read = member.read
        member.read = lambda size: sizes.append(size) or read(size)
        assert unpacked.bounded(member, tmp_path / "f", 10**9).read() == b"a\n" * 100
    assert max(sizes) <= unpacked.ZIP_BLOCK


def test_an_unpacked_file_has_a_limit_of_its_own(tmp_path):
    (tmp_path / "f").write_bytes(gzip.compress(b"0123456789" * 3))
    assert len(read_all(tmp_path / "f", 30)) == 30
    with pytest.raises(UserError, match=r"f has, unpacked, more than ingest\.max_file_bytes = 29 bytes \(in params"):
        read_all(tmp_path / "f", 29)
    with pytest.raises(UserError, match=r"max_file_bytes = 29"):
        csv_reader.header(tmp_path / "f", Table(kind="csv", path="*"), Ingest(max_file_bytes=29))


def test_what_is_copied_to_the_disk_leaves_half_of_its_space_free(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000))
    (tmp_path / "f").write_bytes(gzip.compress(b"PAR1" + b"0123" * 200))
    with pytest.raises(UserError, match="f takes, unpacked, more than half of the free space in "):
        list(parquet_reader.read(tmp_path / "f", Table(kind="parquet", path="*")))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    with pytest.raises(UserError, match="could not be read as parquet"):
        list(parquet_reader.read(tmp_path / "f", Table(kind="parquet", path="*")))


def test_a_zip_archive_whose_list_of_files_fills_the_memory_is_refused(tmp_path, monkeypatch):
    (tmp_path / "f").write_bytes(zipped(b"a"))
    assert read_all(tmp_path / "f") == b"a"
    monkeypatch.setattr(unpacked, "MAX_DIRECTORY", 50)
    with pytest.raises(UserError, match="is a ZIP archive of more than 100,000 files"):
        read_all(tmp_path / "f")


def test_the_size_of_the_list_of_files_is_also_read_in_the_form_of_zip64():
    record = unpacked.END_OF_ZIP_64 + struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, 7, 7, 123_456_789, 0)
    end = unpacked.END_OF_ZIP + struct.pack("<HHHHLLH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    assert unpacked._directory_bytes(io.BytesIO(b"x" * 100 + record + b"PK\x06\x07" + b"\0" * 16 + end)) == 123_456_789
