"""The lock files: every package has a version and hashes, and every way of installing them checks these."""

from __future__ import annotations

import hashlib
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
BASE = "requirements.lock"
LOCKS = sorted(path.name for path in ROOT.glob("*.lock") if path.name != "dvc.lock")
ENTRY = re.compile(r"^(?P<pin>[^\s#-].*?)(?P<hashes>(?: \\\n    --hash=sha256:[0-9a-f]{64})+)\n", re.MULTILINE)


def entries(name: str) -> dict[str, list[Requirement]]:
    """Package -> its entries in a lock: one, or one per version of Python or system."""
    pinned: dict[str, list[Requirement]] = {}
    for match in ENTRY.finditer((ROOT / name).read_text()):
        requirement = Requirement(match["pin"])
        pinned.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return pinned


def wanted(name: str) -> list[str]:
    """The requirements of pyproject.toml that a lock pins; requirements-<name>.lock: of the extra or group <name>."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    if name == BASE:
        return project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    word = name.removeprefix("requirements-").removesuffix(".lock")
    return {**project["project"]["optional-dependencies"], **project["dependency-groups"]}[word]


def commands(target: str) -> list[list[str]]:
    """The commands of a target, as make would run them."""
    process = subprocess.run(
        ["make", "--dry-run", "--always-make", target], cwd=ROOT, capture_output=True, text=True, check=True
    )
    lines = process.stdout.replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines]


@pytest.mark.parametrize("name", LOCKS)
class TestLock:
    def test_every_entry_has_one_version_and_hashes(self, name):
        assert ENTRY.sub("", (ROOT / name).read_text()) == ""
        versions = [str(entry.specifier) for same in entries(name).values() for entry in same]
        assert [version for version in versions if not re.fullmatch(r"==[\w.+!]+", version)] == []

    def test_names_no_registry_and_no_folder(self, name):
        assert not re.search(r"[/@]", (ROOT / name).read_text())

    def test_satisfies_pyproject(self, name):
        pinned = entries(name)
        for requirement in map(Requirement, wanted(name)):
            for entry in pinned[canonicalize_name(requirement.name)]:
                assert requirement.specifier.contains(str(entry.specifier).removeprefix("==")), requirement

    def test_repeats_nothing_of_the_first_lock(self, name):
        assert name == BASE or not set(entries(name)) & set(entries(BASE))

    def test_make_lock_writes_it_with_hashes(self, name):
        line = next(command for command in commands("lock") if command[-2:] == ["--output-file", name])
        assert "--generate-hashes" in line

    def test_make_installs_it_with_its_hashes(self, name):
        makefile = (ROOT / "Makefile").read_text()
        target = re.search(rf"^(\.venv/\.\w+):.* {re.escape(name)}\b", makefile, re.MULTILINE)[1]
        installs = [command for command in commands(target) if command[-1] == name]
        assert installs
        assert all({"--require-hashes", "--no-deps"} <= set(command) for command in installs)


def test_make_installs_nothing_else_but_the_project_itself():
    """The project is built by the locked setuptools: its build downloads nothing."""
    targets = [".venv/.orchestration", ".venv/.browser", ".venv/.spark", ".venv/.hooks"]
    installs = [command for target in targets for command in commands(target) if "install" in command[:3]]
    others = {shlex.join(command) for command in installs if "--require-hashes" not in command}
    assert len(others) == 1
    assert {"--no-deps", "--no-build-isolation", "--editable"} <= set(others.pop().split())
    backend = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    pinned = entries(BASE)
    for requirement in map(Requirement, backend):
        assert requirement.specifier.contains(str(pinned[requirement.name][0].specifier).removeprefix("=="))


def test_conda_installs_the_lock():
    content = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert next(entry for entry in content if isinstance(entry, dict))["pip"] == ["--require-hashes", f"-r {BASE}"]
    versions = set(re.findall(r"--python-version (\S+)", (ROOT / "Makefile").read_text()))
    assert versions == {"3.11"}
    assert "python=3.11" in content, "the lock holds for Python 3.11 and newer"


@pytest.mark.parametrize("changed", [False, True], ids=["as-locked", "changed"])
def test_a_package_whose_bytes_changed_is_not_installed(tmp_path, changed):
    """With make's own command: an index or a cache that serves another file under the same name and version."""
    wheel = tmp_path / "goods-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("goods.py", "PRICE = 1\n")
        archive.writestr("goods-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: goods\nVersion: 1.0\n")
        archive.writestr("goods-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("goods-1.0.dist-info/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (tmp_path / BASE).write_text(f"goods==1.0 \\\n    --hash=sha256:{digest}\n")
    if changed:
        with zipfile.ZipFile(wheel, "a") as archive:
            archive.writestr("goods_too.py", "import os\n")
    install = next(command for command in commands("setup") if command[-1] == BASE)
    local = ["--no-index", "--find-links", str(tmp_path), "--target", str(tmp_path / "site")]
    process = subprocess.run(
        [sys.executable, "-m", "pip", *install[1:], *local], cwd=tmp_path, capture_output=True, text=True
    )
    assert (tmp_path / "site/goods.py").exists() is not changed, process.stderr
    assert ("THESE PACKAGES DO NOT MATCH THE HASHES" in process.stderr) is changed


PROGRAM = "#!/bin/sh\necho STARTED >&2\nexit 0\n"


@pytest.fixture
def kafka(tmp_path, monkeypatch) -> Path:
    """A copy of kafka/ with one jar and its hash; `java` only says that it was started."""
    folder = tmp_path / "kafka"
    (folder / "jars").mkdir(parents=True)
    shutil.copy(ROOT / "kafka/broker.sh", folder)
    (folder / "pom.xml").touch()
    (folder / "jars/kafka-1.jar").write_bytes(b"a jar")
    (folder / "jars.sha256").write_text(f"{hashlib.sha256(b'a jar').hexdigest()}  kafka-1.jar\n")
    (folder / "jars/.complete").touch()
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "java").write_text(PROGRAM)
    (programs / "java").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    return folder


def start(kafka: Path) -> subprocess.CompletedProcess:
    command = ["bash", str(kafka / "broker.sh"), str(kafka / "data"), "9092"]
    return subprocess.run(command, capture_output=True, text=True)


def test_kafka_starts_from_the_listed_jars(kafka):
    process = start(kafka)
    assert (process.returncode, "STARTED" in process.stderr) == (0, True), process.stderr


@pytest.mark.parametrize(
    ("name", "content"),
    [("kafka-1.jar", b"another jar"), ("more.jar", b"a jar too many"), ("kafka-1.jar", None)],
    ids=["changed", "too many", "missing"],
)
def test_kafka_does_not_start_from_other_jars(kafka, name, content):
    path = kafka / "jars" / name
    path.unlink() if content is None else path.write_bytes(content)
    process = start(kafka)
    assert process.returncode == 1
    assert "STARTED" not in process.stderr
    assert name in process.stderr
    assert "are not those of kafka/jars.sha256" in process.stderr


def test_maven_checks_what_it_downloads():
    assert "--strict-checksums" in (ROOT / "kafka/broker.sh").read_text()
    versions = re.findall(
        r"<artifactId>.*</artifactId>\s*<version>(.*)</version>", (ROOT / "kafka/pom.xml").read_text()
    )
    assert len(versions) == 3
    assert all(re.fullmatch(r"[\d.]+", version) for version in versions)


class TestWorkflow:
    @pytest.fixture
    def workflow(self) -> dict:
        return yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())

    def test_its_token_can_only_read(self, workflow):
        assert workflow["permissions"] == {"contents": "read"}
        assert not [name for name, job in workflow["jobs"].items() if "permissions" in job]

    def test_code_of_a_pull_request_meets_no_secret(self, workflow):
        assert "pull_request_target" not in workflow[True]  # YAML reads the key `on` as true
        assert "secrets." not in (ROOT / ".github/workflows/ci.yml").read_text()

    def test_a_checkout_keeps_no_credentials(self, workflow):
        steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
        checkouts = [step for step in steps if step.get("uses", "").startswith("actions/checkout@")]
        assert len(checkouts) == len(workflow["jobs"])
        assert all(step["with"]["persist-credentials"] is False for step in checkouts)
