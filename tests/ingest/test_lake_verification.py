"""Nothing altered in the lake goes unseen: every way to damage a file is reported before a reader uses it."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from conftest import Chunk, ingest_chunks, rows, unreadable, utc

from recomart_lib.core.errors import UserError
from recomart_lib.ingest import lake, lake_verification


@pytest.fixture
def raw(tmp_path) -> Path:
    return tmp_path / "raw"


@pytest.fixture
def ingested(raw):
    """Ingest a file of one event and one unreadable line: its path in the lake, and its manifest."""

    def ingest(name: str = "f", text: str = "", previous: dict | None = None) -> tuple[Path, dict]:
        event = {"event_id": "e1", "user_id": "u1", "timestamp": utc(2024, 1, 1), "price": 10.0}
        chunk = Chunk(rows("events", event), unreadable(name, 1))
        manifest = ingest_chunks(raw, "events", chunk, name=name, shop="s", text=text, previous=previous)
        return raw / manifest["path"], manifest

    return ingest


def with_another_price(path: Path) -> None:
    pl.read_parquet(path).with_columns(price=pl.lit(1.0)).write_parquet(path)


def with_a_flipped_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "was changed after its ingestion": with_another_price,
    "was changed": with_a_flipped_bit,
    "is cut short": lambda path: path.write_bytes(path.read_bytes()[:-5]),
    "is empty": lambda path: path.write_bytes(b""),
    "is missing": lambda path: path.unlink(),
}


@pytest.mark.parametrize("problem", DAMAGES)
@pytest.mark.parametrize("suffix", [".parquet", ".rejects.parquet"])
def test_no_reader_uses_a_damaged_file(ingested, raw, problem, suffix):
    damaged = ingested("a")[0].with_suffix(suffix)
    ingested("b")
    DAMAGES[problem](damaged)
    with pytest.raises(UserError) as caught:
        lake.table(raw, "s", "events")
    message = str(caught.value)
    assert f"{damaged}, which holds a as ingested on 20" in message
    assert problem in message
    assert "(1 of 4 files of this table)" in message
    assert "recomart stage 01_ingest" in message
    assert "dvc checkout data/raw" in message


def test_a_folder_in_the_place_of_a_file_counts_as_missing(ingested, raw):
    path, _ = ingested()
    path.unlink()
    path.mkdir()
    with pytest.raises(UserError, match="is missing"):
        lake.table(raw, "s", "events")


def test_files_are_counted_with_their_bytes(ingested, raw):
    sizes = [path.stat().st_size for path in (ingested("a")[0], ingested("b")[0])]
    rejects = sum(path.stat().st_size for path in raw.rglob("*.rejects.parquet"))
    assert lake.table(raw, "s", "events").verified == (4, sum(sizes) + rejects, 0)


def test_old_versions_are_verified_by_the_command_only(ingested, raw):
    old, manifest = ingested(text="old")
    ingested(text="new", previous=manifest)
    with_another_price(old)
    assert lake.table(raw, "s", "events").height == 1
    assert lake.verify(raw).rows() == [(old.relative_to(raw).as_posix(), "f", "was changed after its ingestion")]


def test_files_of_earlier_versions_have_no_hash_and_this_is_counted(ingested, raw):
    path, manifest = ingested()
    earlier = {key: value for key, value in manifest.items() if not key.endswith("_sha256")}
    path.with_suffix(".json").write_text(json.dumps(earlier))
    assert lake.table(raw, "s", "events").verified.n_without_hash == 2
    assert lake.verify(raw)["problem"].to_list() == [lake_verification.NO_HASH] * 2


def test_verify_names_every_problem_and_goes_on_after_a_damaged_manifest(ingested, raw):
    (changed, _), (gone, _), (unreadable_manifest, _), _ = (ingested(name) for name in "abcd")
    assert lake.verify(raw).is_empty()
    with_another_price(changed)
    gone.with_suffix(".rejects.parquet").unlink()
    unreadable_manifest.with_suffix(".json").write_text("{")
    leftover = gone.parent / "0123456789abcdef.parquet"
    leftover.write_bytes(b"half")
    problems = {(Path(path).name, file): problem for path, file, problem in lake.verify(raw).iter_rows()}
    assert problems.pop((changed.name, "a")) == "was changed after its ingestion"
    assert problems.pop((gone.with_suffix(".rejects.parquet").name, "b")) == "is missing"
    assert "is damaged" in problems.pop((unreadable_manifest.with_suffix(".json").name, None))
    assert problems == {(leftover.name, None): lake_verification.NO_MANIFEST}


def test_progress_sees_every_manifest(ingested, raw):
    ingested("a")
    ingested("b")
    seen: list[Path] = []
    lake.verify(raw, lambda paths: seen.extend(paths) or paths)
    assert len(seen) == 2
