"""`recomart shop draft` and folders that nobody should send: it ends soon, with a sentence or a valid shop file."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import socket
import string
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from draft import made_columns, runs
from draft.made_folder import Delivered, make
from draft.made_shop import MadeShop

from recomart_lib.core import shops, source_files

SECONDS = 100  # after which a run is taken for one that hangs
ORDERS = {"order": "order_id", "when": "timestamp", "customer": "user_id", "sku": "item_id"}
ORDERS |= {"qty": "quantity", "price": "price"}
CUSTOMERS = {"customer": "user_id", "first": "!first", "last": "!last", "mail": "!email", "phone": "!phone"}
CUSTOMERS |= {"street": "!street", "account": "!iban", "born": "!birthday", "city": "city"}
SHOP = MadeShop(n_users=80, n_items=40, n_orders=400, n_days=90)


@pytest.fixture(autouse=True)
def ends(request) -> Iterator[None]:
    """Fail instead of hanging."""

    def stop(*_):
        raise TimeoutError("the command hangs")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def source(tmp_path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


@pytest.fixture
def draft(tmp_path, source):
    """draft(words) of the source folder: no traceback, no escape sequences; a file that is written is valid."""
    project = runs.project(tmp_path / "project")

    def run(*words: str, folder: Path = source, name: str = "drafted") -> runs.Run:
        done = runs.draft(project, folder, name, *words)
        assert "Traceback" not in done.text
        assert "\x1b" not in done.text
        assert (done.status == 0) == (done.file is not None) or "--force" in done.text
        if done.file:
            shop = shops.read(done.file)
            for table in shop.delivered:
                assert source_files.files(shop, table, folder)
        else:
            assert "Error" in done.errors
            assert len(done.errors) < 4_000
        return done

    return run


def orders(path: Path, shop: MadeShop = SHOP, names: dict[str, str] | None = None) -> pl.DataFrame:
    """Write a small file of orders; `names` renames its columns."""
    table = made_columns.events(shop, ORDERS, {}).rename(names or {})
    path.parent.mkdir(parents=True, exist_ok=True)
    table.write_csv(path, datetime_format="%Y-%m-%d %H:%M:%S")
    return table


def mapping(run: runs.Run, table: str = "events") -> dict[str, str]:
    return shops.read(run.file).table(table).columns


class TestFolders:
    def test_no_folder(self, draft, tmp_path):
        assert "no folder" in draft(folder=tmp_path / "nothing").errors

    def test_a_file_instead_of_a_folder(self, draft, tmp_path):
        (tmp_path / "orders.csv").write_text("a,b\n1,2\n")
        assert "orders.csv" in draft(folder=tmp_path / "orders.csv").errors

    def test_empty(self, draft):
        assert "no file" in draft().errors.lower()

    def test_nothing_that_is_data(self, draft, source):
        (source / "README.md").write_text("# Hello\n\nThis is no data.\n")
        assert "events" in draft().errors

    @pytest.mark.slow
    def test_ten_thousand_daily_files(self, draft, source):
        header, lines = "order,when,customer,sku,qty,price\n", random.Random(0)
        for day in range(10_000):
            customer, sku = lines.randrange(300), lines.randrange(50)
            when = f"{1995 + day // 336:04}-{1 + day // 28 % 12:02}-{1 + day % 28:02}"
            row = f"{day},{when} 10:00:00,C{customer:03},P{sku:02},{1 + day % 3},{9.5 + sku}\n"
            (source / f"orders_{when}.csv").write_text(header + row * (1 + day % 2))
        run = draft()
        assert mapping(run)["user_id"] == "customer"

    @pytest.mark.slow
    def test_ten_thousand_files_of_all_kinds_and_one_of_orders(self, draft, source):
        for n in range(10_000):
            (source / f"{n:05}.{('txt', 'png', 'html', 'bak')[n % 4]}").write_text(f"{n}\n")
        orders(source / "orders.csv")
        run = draft()
        assert run.file is None or mapping(run)["item_id"] == "sku"

    def test_two_equal_candidates_are_a_question(self, draft, source):
        orders(source / "shop_orders.csv")
        orders(source / "orders_backup.csv")
        text = draft().file.read_text()
        assert any("# ?" in line for line in text.splitlines() if "path:" in line)

    def test_two_catalogues_are_a_question(self, draft, source):
        orders(source / "orders.csv")
        columns = {"sku": "item_id", "name": "name", "category": "category", "price": "price"}
        for name in ("items.csv", "items_old.csv"):
            made_columns.items(SHOP, columns).write_csv(source / name)
        text = draft().file.read_text()
        assert any("# ?" in line for line in text.splitlines() if "items" in line and "path:" in line)

    def test_orders_whose_lines_are_in_another_file_are_not_mapped_wrongly(self, draft, source):
        table = made_columns.events(SHOP, ORDERS, {})
        table.select("order", "when", "customer").unique("order", maintain_order=True).write_csv(source / "orders.csv")
        table.select("order", "sku", "qty", "price").write_csv(source / "order_lines.csv")
        run = draft()
        assert run.file is None or "# ?" in run.file.read_text()

    def test_links_out_of_the_folder_are_not_followed(self, draft, source, tmp_path):
        orders(tmp_path / "elsewhere" / "orders.csv")
        (source / "orders.csv").symlink_to(tmp_path / "elsewhere" / "orders.csv")
        (source / "passwords").symlink_to("/etc/passwd")
        (source / "up").symlink_to(tmp_path)
        assert draft().file is None

    def test_pipes_sockets_devices_and_loops(self, draft, source, monkeypatch):
        orders(source / "orders.csv")
        os.mkfifo(source / "pipe.csv")
        monkeypatch.chdir(source)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("socket.csv")
        (source / "loop").symlink_to(source)
        (source / "zero.csv").symlink_to("/dev/zero")
        (source / "gone.csv").symlink_to(source / "nothing.csv")
        (source / "folder.csv").mkdir()
        assert mapping(draft())["user_id"] == "customer"

    @pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
    def test_unreadable_files(self, draft, source):
        orders(source / "orders.csv")
        orders(source / "secret.csv")
        (source / "secret.csv").chmod(0)
        assert "secret.csv" in draft().output

    def test_files_that_cannot_be_opened(self, draft, source, monkeypatch):
        orders(source / "orders.csv")
        orders(source / "closed.csv", names={"customer": "kunde"})
        opened = Path.open

        def refuse(path: Path, *options, **more):
            if path.name == "closed.csv":
                raise PermissionError(13, "Permission denied", str(path))
            return opened(path, *options, **more)

        monkeypatch.setattr(Path, "open", refuse)
        run = draft()
        assert "closed.csv" in run.text
        assert mapping(run)["user_id"] == "customer"

    @pytest.mark.parametrize("name", ["orders [May].csv", "a b#c.csv", "x: 'y'.csv", "*.csv", "ümlaut.csv", "-x.csv"])
    def test_names_of_files_that_mean_something_in_yaml_or_patterns(self, draft, source, name):
        orders(source / name)
        assert mapping(draft())["user_id"] == "customer"

    def test_a_name_that_is_not_utf_8(self, draft, source):
        orders(source / "orders.csv")
        with open(os.fsencode(source) + b"/k\xfcche.csv", "w") as stream:  # noqa: PTH123
            stream.write("a,b\n1,2\n")
        assert mapping(draft())["user_id"] == "customer"


class TestFiles:
    @pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "xlsx", "csv.gz", ""])
    def test_junk(self, draft, source, suffix):
        (source / f"junk.{suffix}").write_bytes(random.Random(suffix).randbytes(30_000))
        assert draft().file is None
        orders(source / "orders.csv")
        assert mapping(draft())["user_id"] == "customer"

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("cut.parquet", b"PAR1\x15\x00"),
            ("cut.csv.gz", gzip.compress(b"a,b\n1,2\n" * 9_999, mtime=0)[:-40]),
            ("cut.zip", b"PK\x03\x04" + bytes(60)),
            ("deep.json", b"[" * 100_000),
            ("deep.jsonl", b'{"a":' * 20_000 + b"1" + b"}" * 20_000),
            ("zeros.csv", bytes(3_000_000)),
            ("empty.csv", b""),
            ("empty.json", b"[]"),
            ("header.csv", b"order,when,customer,sku\n"),
            ("quote.csv", b'a,b\n"1,2\n' * 50_000),
            ("blank.csv", b"\n" * 10_000),
            ("wide.csv", (",".join(f"c{n}" for n in range(5_000)) + "\n").encode() * 3),
            ("long.csv", b"a,b\n" + b"x" * 5_000_000),
            ("words.txt", b"The quick brown fox, and so on.\n" * 400),
            ("number.json", b"1"),
            ("null.jsonl", b"null\n" * 100),
        ],
    )
    def test_damaged(self, draft, source, name, content):
        (source / name).write_bytes(content)
        assert draft().file is None
        orders(source / "orders.csv")
        assert mapping(draft())["user_id"] == "customer"

    def test_twenty_gigabytes(self, draft, source):
        orders(source / "orders.csv")
        os.truncate(source / "orders.csv", 20 * 2**30)
        run = draft()
        assert run.file is None or mapping(run)["user_id"] == "customer"

    @pytest.mark.slow
    def test_a_bomb(self, draft, source):
        orders(source / "orders.csv")
        with gzip.open(source / "bomb.csv.gz", "wb") as stream:
            for _ in range(300):
                stream.write(b"a,b\n" + bytes(2**20))
        assert mapping(draft())["user_id"] == "customer"

    def test_one_row(self, draft, source):
        orders(source / "orders.csv")
        lines = (source / "orders.csv").read_text().splitlines(keepends=True)
        (source / "orders.csv").write_text("".join(lines[:2]))
        run = draft()
        assert run.file is None or "# ?" in run.file.read_text()

    @pytest.mark.parametrize(
        "name",
        [
            "user_id: x # ?",
            "a\nb",
            "[red]who[/red]",
            "\x1b[31mwho",
            "null",
            "{who}",
            "who,1",
            "'who'",
            "x" * 3_000,
            "💐",
        ],
    )
    def test_names_of_columns(self, draft, source, name):
        orders(source / "orders.csv", names={"customer": name})
        run = draft()
        assert run.file
        assert mapping(run)["item_id"] == "sku"

    def test_names_of_columns_that_repeat(self, draft, source):
        orders(source / "orders.csv")
        path = source / "orders.csv"
        head, _, rest = path.read_text().partition("\n")
        path.write_text(head.replace("qty", "price") + "\n" + rest)
        assert draft().file

    def test_values_that_draw_in_a_terminal(self, draft, source):
        table = orders(source / "orders.csv")
        odd = pl.lit("\x1b[2J\x1b[31m[bold]red[/bold]\r") + pl.col("sku")
        table = table.with_columns(name=pl.when(pl.int_range(pl.len()) % 40 == 0).then(odd).otherwise("sku"))
        table.write_csv(source / "orders.csv", datetime_format="%Y-%m-%d %H:%M:%S")
        assert mapping(draft())["user_id"] == "customer"


class TestOptions:
    def test_a_shop_file_is_not_overwritten(self, draft, source):
        orders(source / "orders.csv")
        file = draft().file
        file.write_text("mine\n")
        second = runs.draft(file.parents[1], source, "drafted")
        assert (second.status == 0, file.read_text()) == (False, "mine\n")
        assert "--force" in second.errors
        assert draft("--force").file.read_text() != "mine\n"

    @pytest.mark.parametrize("name", ["../x", "a b", "", "x/y", ".", "ü"])
    def test_names_of_shops(self, source, tmp_path, name):
        orders(source / "orders.csv")
        project = runs.project(tmp_path / "project")
        run = runs.draft(project, source, name)
        assert run.status != 0
        assert "Traceback" not in run.text
        assert list(tmp_path.rglob("*.yaml")) == [] or {path.name for path in tmp_path.rglob("*.yaml")} <= {
            "params.yaml",
            "dvc.yaml",
        }

    def test_twice_gives_the_same(self, draft, source):
        orders(source / "orders.csv")
        assert draft().file.read_bytes() == draft("--force").file.read_bytes()

    def test_json(self, draft, source):
        orders(source / "orders.csv")
        document = json.loads(draft("--json").output)
        assert document


class TestSecrets:
    """Nothing that looks personal or secret is shown: not in a terminal, the shop file, JSON or logs."""

    def shown(self, run: runs.Run, project: Path, secrets: list[str]) -> list[str]:
        """The secrets that are anywhere in what was printed or written."""
        written = [path.read_text(errors="replace") for path in project.rglob("*") if path.is_file()]
        return [secret for secret in secrets if any(secret in text for text in (run.text, *written))]

    @pytest.mark.parametrize("words", [(), ("--json",)])
    def test_of_customers(self, draft, source, tmp_path, words):
        events = Delivered("orders.csv", {**ORDERS, "ip": "!ip", "note": "!note"})
        answer = make(source, SHOP, events, Delivered("customers.csv", CUSTOMERS))
        customers = pl.read_csv(source / "customers.csv", infer_schema=False)
        rng = random.Random(0)
        cards = [f"4{rng.randrange(10**15):015}" for _ in range(customers.height)]
        passwords = ["".join(rng.choices(string.ascii_letters + string.digits, k=24)) for _ in cards]
        keys = [f"sk_live_{password}" for password in reversed(passwords)]
        columns = {"card_number": cards, "password": passwords, "api_key": keys}
        customers.with_columns(**{name: pl.Series(values) for name, values in columns.items()}).write_csv(
            source / "customers.csv"
        )
        run = draft(*words)
        assert mapping(run)["user_id"] == "customer"
        assert self.shown(run, tmp_path / "project", [*answer.secrets, *cards, *passwords, *keys]) == []
        mapped = set(mapping(run, "users").values())
        assert mapped & {*columns, "first", "last", "mail", "phone", "street", "account", "born"} == set()

    def test_in_files_without_a_header_line(self, draft, source, tmp_path):
        answer = make(source, SHOP, Delivered("orders.csv", ORDERS), Delivered("customers.csv", CUSTOMERS))
        text = (source / "customers.csv").read_text()
        (source / "customers.csv").write_text(text.partition("\n")[2])
        assert self.shown(draft(), tmp_path / "project", list(answer.secrets)) == []

    def test_in_files_that_are_no_table(self, draft, source, tmp_path):
        orders(source / "orders.csv")
        secrets = ["hunter2-hunter2", "AKIA5EXAMPLE0KEY", "eyJhbGciOiJub25lIn0"]
        (source / ".env").write_text(f"PASSWORD={secrets[0]}\n")
        (source / "config.json").write_text(json.dumps({"aws": secrets[1]}))
        (source / "requests.log").write_text(f"GET / Authorization: Bearer {secrets[2]}\n" * 50)
        (source / "keys.csv").write_text("name,key\n" + "".join(f"k{n},{secrets[1]}\n" for n in range(9)))
        assert self.shown(draft(), tmp_path / "project", secrets) == []

    def test_if_nothing_can_be_drafted(self, draft, source, tmp_path):
        columns = {name: kind for name, kind in CUSTOMERS.items() if kind != "user_id"}
        customers = made_columns.users(SHOP, columns)
        customers.write_csv(source / "contacts.csv", include_header=False)
        run = draft()
        assert run.file is None
        secrets = [*customers["mail"].to_list(), *customers["phone"].to_list(), *customers["account"].to_list()]
        assert self.shown(run, tmp_path / "project", secrets) == []

    def test_a_customer_that_is_an_e_mail_address_is_a_question(self, draft, source, tmp_path):
        table = made_columns.events(SHOP, {**ORDERS, "customer": "user_email"}, {})
        table.write_csv(source / "orders.csv", datetime_format="%Y-%m-%d %H:%M:%S")
        run = draft()
        assert mapping(run)["user_id"] == "customer"
        line = next(line for line in run.file.read_text().splitlines() if "user_id:" in line)
        assert "# ?" in line
        assert self.shown(run, tmp_path / "project", table["customer"].unique().to_list()) == []
