"""Logging to the console and logs/recomart.log: content, masked secrets, and several processes."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from recomart.cli import app
from recomart.project import logs
from recomart_lib.core import redaction
from recomart_lib.core.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
log = logging.getLogger("recomart_lib.test")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project whose run is called `run-1`; logging is as it was afterwards."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.setenv("RECOMART_ROOT", str(tmp_path))
    monkeypatch.setenv(logs.RUN_ID, "run-1")
    monkeypatch.setattr(redaction, "_configured", set())
    root, ours = logging.getLogger(), logging.getLogger("recomart_lib")
    before = root.level, ours.level, root.handlers[:]
    yield tmp_path
    for handler in [handler for handler in root.handlers if handler not in before[2]]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(before[0])
    ours.setLevel(before[1])


def lines(project: Path) -> list[str]:
    return (project / "logs/recomart.log").read_text(encoding="utf-8").splitlines()


def put_level(project: Path, level: object) -> None:
    content = yaml.safe_load((project / "params.yaml").read_text())
    (project / "params.yaml").write_text(yaml.safe_dump(content | {"logging": {"level": level}}))


def test_short_lines_on_the_console_and_complete_ones_in_the_file(project, capsys):
    logs.start("06_train")
    log.info("%d models", 3)
    log.warning("one\n  is left out")
    log.debug("details")
    logging.getLogger("elsewhere").info("chatter")
    shown = capsys.readouterr().err.splitlines()
    assert [re.sub(r"^\d\d:\d\d:\d\d ", "T ", line) for line in shown] == [
        "T 3 models",
        "T warning: one",
        "  is left out",
    ]
    assert [re.sub(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ", "T ", line) for line in lines(project)] == [
        "T INFO run-1 06_train recomart_lib.test 3 models",
        "T WARNING run-1 06_train recomart_lib.test one / is left out",
    ]


def test_starting_again_replaces_the_handlers(project, capsys):
    logs.start()
    logs.start("01_ingest", run="other")
    log.info("once")
    assert capsys.readouterr().err.count("once") == 1
    assert [line.split(" ", 1)[1] for line in lines(project)] == ["INFO other 01_ingest recomart_lib.test once"]


@pytest.mark.parametrize(("level", "n"), [("debug", 3), ("info", 2), ("warning", 1), ("error", 0)])
def test_the_level_is_that_of_params_yaml(project, level, n):
    put_level(project, level)
    logs.start()
    log.debug("a")
    log.info("b")
    log.warning("c")
    assert len(lines(project)) == n


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("base: {}\nlogging:\n  # level: error\n\n  level: debug  # or info\nlimits: {}\n", "debug"),
        ('logging: {level: "warning"}', "warning"),
        ("logging:\r\n  'level': 'error'\r\n", "error"),
        ("logging: {}\nother:\n  level: debug\n", "info"),
        ("logging:\n# no level\n", "info"),
        ("logging: {level: loud}", "info"),
        ("logging: {level: debugging}", "info"),
        ("# logging: {level: debug}\n", "info"),
        ("", "info"),
    ],
)
def test_the_level_is_found_without_parsing_the_file(project, text, level):
    (project / "params.yaml").write_text(text)
    assert logs.configured_level() == level


def test_without_params_yaml_the_level_is_info(project):
    (project / "params.yaml").unlink()
    assert logs.configured_level() == "info"


@pytest.mark.parametrize("text", ["logging: {level: loud}", "logging: [", "trian: {}"])
def test_an_invalid_params_yaml_is_reported_and_logged(project, call, text):
    (project / "params.yaml").write_text(text)
    status, _, err = call("shop", "use", "simulated")
    assert status == 1
    assert "params.yaml" in err
    assert "Traceback" not in err
    assert "ERROR run-1 - recomart.cli.app " in lines(project)[-1]


def test_an_invalid_level_is_reported(project):
    put_level(project, "loud")
    with pytest.raises(UserError, match=r"logging\.level: Input should be 'debug', 'info', 'warning' or 'error'"):
        from recomart.project import params

        params.load()


def test_a_bug_s_traceback_is_in_the_file(project, monkeypatch, capsys):
    monkeypatch.setattr(app, "app", lambda **_: {}["missing"])
    with pytest.raises(KeyError):
        app.main()
    text = "\n".join(lines(project))
    assert "CRITICAL run-1 - recomart.cli.app recomart" in text
    assert "Traceback (most recent call last)" in text
    assert "KeyError: 'missing'" in text
    assert "KeyError" not in capsys.readouterr().err  # Python shows it, once


def test_secrets_are_masked(project, monkeypatch, capsys):
    monkeypatch.setenv("SHOP_API_TOKEN", "open-sesame")
    monkeypatch.setenv("DB_PASSWORD", "abc")  # too short to distinguish from a word
    logs.start()
    log.info("asked https://me:hidden@shop/api with open-sesame, not abc")
    try:
        raise ValueError("refused: open-sesame")
    except ValueError:
        log.exception("it failed")
    for text in (capsys.readouterr().err, "\n".join(lines(project))):
        assert "open-sesame" not in text
        assert "hidden" not in text
        assert "asked https://***@shop/api with ***, not abc" in text


PASSPHRASE = "correct horse"
PEM = "-----BEGIN KEY-----\nAbCdEfGhIjKlMnOpQrStUvWxYz0123\n-----END KEY-----"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("SHOP_AUTH", PASSPHRASE, PASSPHRASE),
        ("BEARER", PASSPHRASE, PASSPHRASE),
        ("PGPASSWORD", PASSPHRASE, PASSPHRASE),
        ("MYSQL_PWD", PASSPHRASE, PASSPHRASE),
        ("DB_PASSWORD_2", PASSPHRASE, PASSPHRASE),
        ("RECOMART_SHOP", PASSPHRASE, PASSPHRASE),
        ("FROM_PARAMS", PASSPHRASE, PASSPHRASE),
        ("FROM_LIST", PASSPHRASE, PASSPHRASE),
        ("FROM_STORE", "s3cr", "s3cr"),
        ("SOME_KEY", PASSPHRASE, "asked ?key=correct%20horse&x=1"),
        ("SOME_KEY", "a'b\"c<d>&e", '{"key": "a\'b\\"c<d>&e"}'),
        ("DATABASE_URL", "postgresql://me:hidden@db/shop", "no login for hidden at postgresql://me:hidden@db/shop"),
        ("STORE_DSN", "host=db;password=hidden1", "wrong: hidden1"),
        ("CLIENT_KEY", PEM, f"the key\n{PEM}\nis wrong"),
        ("X", "-", "https://me:hidden@shop/a, https://hidden@shop/b and Bearer abcdefghijk"),
    ],
)
def test_values_of_secret_variables_are_masked(project, monkeypatch, capsys, name, value, text):
    (project / "feature_store.yaml").write_text("password: ${FROM_STORE}\n")
    content = yaml.safe_load((project / "params.yaml").read_text())
    content["stream"]["client"] = {"sasl.password": "${FROM_PARAMS}"}
    content["ingest"]["auth_variables"] = ["FROM_LIST"]
    (project / "params.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.setenv(name, value)
    logs.start()
    log.info("%s", text)
    shown = capsys.readouterr().err + "\n".join(lines(project))
    assert "***" in shown
    for secret in (PASSPHRASE, "s3cr", "%20", "a'b", "hidden", "AbCdEf", "abcdefghijk"):
        assert secret not in shown


@pytest.mark.parametrize("name", ["PWD", "OLDPWD", "SOME_KEY", "KEYBOARD", "COMPASS", "MONKEY", "AUTHOR"])
def test_folders_and_other_variables_are_not_masked(project, monkeypatch, capsys, name):
    value = str(project) if name in ("PWD", "OLDPWD", "SOME_KEY") else "some value"
    monkeypatch.setenv(name, value)
    logs.start()
    log.info("in %s/x", value)
    assert f"in {value}/x" in capsys.readouterr().err


def test_control_characters_from_data_cannot_forge_a_record(project, capsys):
    forged = "2026-01-01T00:00:00.000Z ERROR run-1 - recomart all is lost"
    marks = "\x1b]0;x\x07\x85\u2028\u2029\u202e\u2066\x00"
    controls = set(marks) - set("]0;x") | {"\r"}
    logs.start()
    log.warning("user %s", f"a\r\n{forged}\r{marks}")
    try:
        raise ValueError(f"b\n{forged}{marks}")
    except ValueError:
        log.exception("it failed")
    content = (project / "logs/recomart.log").read_bytes().decode()
    assert not [line for line in content.splitlines() if line.startswith(forged[:20])]
    assert not set(content + capsys.readouterr().err) & controls
    records = [line for line in content.split("\n") if line[:1].isdigit()]
    assert [record.split()[1] for record in records] == ["WARNING", "ERROR"]
    assert "\n    | Traceback (most recent call last):\n    |   File " in content


def test_the_traceback_of_a_bug_has_no_secrets(project, monkeypatch, capsys):
    monkeypatch.setenv("SHOP_AUTH", PASSPHRASE)
    try:
        raise ValueError(f"refused: {PASSPHRASE}\x1b")
    except ValueError as error:
        logs.show_bug(type(error), error, error.__traceback__)
    shown = capsys.readouterr().err
    assert "ValueError: refused: ***\\u001b\n" in shown
    assert shown.startswith("Traceback")


def test_outside_a_project_only_the_console_is_used(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("RECOMART_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    command = (
        "from recomart.project import logs; logs.start(); import logging; logging.getLogger('recomart_lib').info('hi')"
    )
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stderr.endswith(" hi\n")) == (0, True)
    assert not list(tmp_path.iterdir())


def test_an_unwritable_folder_is_reported_once(project, capsys):
    (project / "logs").write_text("a file")
    logs.start()
    log.info("goes on")
    shown = capsys.readouterr().err
    assert shown.count("no log file is written") == 1
    assert "goes on" in shown


def test_colours_on_a_terminal(project, monkeypatch, capsys):
    logs.start()
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    log.warning("careful")
    log.info("plain")
    monkeypatch.setenv("NO_COLOR", "1")
    log.warning("grey")
    coloured, plain, grey = capsys.readouterr().err.splitlines()
    assert coloured.startswith("\033[33m")
    assert "\033" not in plain + grey


WRITER = """
import logging, sys
from recomart.project import logs
logs.MAX_BYTES, logs.N_BACKUPS = 20_000, 50
logs.start("-", sys.argv[1], "info")
for number in range(300):
    logging.getLogger("recomart_lib.test").info("line %d", number)
"""


def test_several_processes_write_one_file_and_no_line_is_lost(project):
    command = [sys.executable, "-c", WRITER]
    writers = [subprocess.Popen([*command, f"writer-{n}"], stderr=subprocess.DEVNULL) for n in range(4)]
    assert [writer.wait() for writer in writers] == [0] * 4
    files = list((project / "logs").glob("recomart.log*"))
    assert len(files) > 2
    written = [line.split() for file in files for line in file.read_text().splitlines()]
    assert all(len(words) == 7 for words in written)
    assert {(words[2], int(words[6])) for words in written} == {
        (f"writer-{n}", number) for n in range(4) for number in range(300)
    }


class TestRunId:
    def test_the_environment_variable_sets_it(self, monkeypatch):
        monkeypatch.setenv(logs.RUN_ID, "manual__2026-11-24T16:50:02+00:00")
        assert logs.run_id() == "manual__2026-11-24T16:50:02+00:00"
        monkeypatch.setenv(logs.RUN_ID, "a\nb c")
        assert logs.run_id() == "a_b_c"

    def test_without_dvc_it_is_this_process(self, monkeypatch):
        monkeypatch.delenv(logs.RUN_ID, raising=False)
        assert re.fullmatch(rf"\d{{8}}-\d{{6}}-{os.getpid()}", logs.run_id())

    def test_under_dvc_it_is_the_outermost_process(self, tmp_path, monkeypatch):
        """Two programs called dvc, one below the other, as `dvc exp run` does."""
        monkeypatch.delenv(logs.RUN_ID, raising=False)
        outer, inner = tmp_path / "a/dvc", tmp_path / "b/dvc"
        ask = "from recomart.project import logs; print(logs.run_id())"
        for file, what in ((inner, [sys.executable, "-c", ask]), (outer, [sys.executable, str(inner)])):
            file.parent.mkdir()
            file.write_text(f"import subprocess; raise SystemExit(subprocess.call({what!r}))")
        with subprocess.Popen([sys.executable, outer], stdout=subprocess.PIPE, text=True) as started:
            assert started.stdout.read().strip().endswith(f"-{started.pid}")


def test_a_kernel_logs_after_its_first_line(project):
    """IPython runs `kernel_line` at the start of a kernel and would ignore an error in it."""
    message = "import logging; logging.getLogger('recomart_lib.test').info('in the kernel')"
    code = f"{logs.kernel_line('03_explore')}\n{message}"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=project, capture_output=True)
    assert lines(project)[-1].endswith("03_explore recomart_lib.test in the kernel")


def test_a_full_disk_is_reported_once_and_stops_nothing(project, capsys, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    logs.start("06_train")
    monkeypatch.setattr(logs._File, "do_write", full)
    log.info("first")
    log.info("second")
    shown = capsys.readouterr().err
    assert shown.count("the log file ends here") == 1
    assert "cannot be written: the disk is full" in shown
    assert "second" in shown
    assert "Traceback" not in shown


def test_a_file_in_the_place_of_the_log_folder_is_named(project, capsys):
    (project / "logs").touch()
    logs.start()
    assert "no log file is written: logs cannot be written: a file, or a link to nothing" in capsys.readouterr().err
