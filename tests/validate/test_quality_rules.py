"""The quality rules: their severities in params.yaml, and equal results on every engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import narwhals as nw
import polars as pl
import pytest
from check_data import EVENT, ITEM, NOW, USER, good_tables
from conftest import Chunk, full_shop, ingest_chunks, utc

from recomart_lib.core import schemas
from recomart_lib.core.errors import UserError
from recomart_lib.ingest import lake
from recomart_lib.validate import quality_rules
from recomart_lib.validate.lookups import Lookups
from recomart_lib.validate.settings import Validate


def test_an_unknown_rule_is_an_error():
    with pytest.raises(UserError, match=r"validate.rules.age_posible: no such rule. Did you mean 'age_possible'\?"):
        quality_rules.rules(Validate(rules={"age_posible": "off"}))


@pytest.mark.parametrize("rule", ["event_id_unique", "user_id_present", "event_type_known", "timestamp_present"])
def test_rules_that_later_stages_depend_on_stay_errors(rule):
    with pytest.raises(UserError, match=f"validate.rules.{rule} must be error"):
        quality_rules.rules(Validate(rules={rule: "off"}))


def test_the_rules_of_a_shop_win_over_params_yaml():
    shop = full_shop().model_copy(update={"rules": {"price_usual": "error", "age_possible": "off"}})
    settings = quality_rules.of_shop(Validate(rules={"price_usual": "off", "item_named": "error"}), shop)
    held = {rule.name: rule.severity for rule in quality_rules.rules(settings)}
    assert "age_possible" not in held
    assert [held[name] for name in ("price_usual", "item_named", "event_user_known")] == ["error", "error", "error"]
    assert quality_rules.of_shop(Validate(), full_shop()) == Validate()


@pytest.mark.parametrize(
    ("rules", "complaint"),
    [
        ({"age_posible": "off"}, r"shops/x.yaml: rules.age_posible: no such rule. Did you mean 'age_possible'\?"),
        ({"event_id_unique": "off"}, "shops/x.yaml: rules.event_id_unique must be error"),
    ],
)
def test_a_wrong_rule_of_a_shop_names_its_file(rules, complaint):
    with pytest.raises(UserError, match=complaint):
        quality_rules.of_shop(Validate(), full_shop().model_copy(update={"rules": rules}))


ODD = [
    EVENT | {"event_id": "e1", "quantity": 2},
    EVENT | {"event_id": None, "user_id": None, "item_id": None, "event_type": None, "timestamp": None},
    EVENT | {"event_id": "e3", "event_type": "steal", "price": -1.0, "quantity": 0, "rating": 9.0},
    EVENT | {"event_id": "e4", "user_id": "ghost", "item_id": "ghost", "timestamp": utc(2999, 1, 1)},
    EVENT | {"event_id": "e5", "event_type": "return", "timestamp": utc(2023, 1, 1), "price": 0.0},
    EVENT | {"event_id": "e6", "event_type": "return", "timestamp": utc(2024, 3, 1)},
    EVENT | {"event_id": "e7", "event_type": "rating", "rating": None, "price": float("nan")},
    *({**EVENT, "event_id": f"p{n}", "price": 10.0 + n % 3} for n in range(12)),
    EVENT | {"event_id": "p99", "price": 9_000.0},
]


def rule_inputs(folder: Path, table: str) -> pl.DataFrame:
    """Odd rows of a table with the columns that rules read."""
    tables = good_tables(
        events=ODD, users=[USER | {"age": 999}, {"user_id": None}], items=[ITEM | {"price": 0.0}, {"item_id": None}]
    )
    lake_tables = {}
    for name, frame in tables.items():
        ingest_chunks(folder / "raw", name, Chunk(frame))
        lake_tables[name] = lake.table(folder / "raw", "x", name)
    last = pl.int_range(pl.len()) == pl.len() - 1
    holds_from = pl.when(last).then(utc(1980, 1, 1)).otherwise(schemas.ALWAYS).cast(schemas.TIMESTAMP)
    statement = {"holds_from": holds_from, "delivery": pl.lit(NOW.date())}
    entity_rows = {name: tables[name].with_columns(**statement) for name in ("users", "items")}
    lookups = Lookups.of(full_shop(), lake_tables["events"], entity_rows, NOW)
    rows = entity_rows.get(table, tables[table]).with_row_index("row_id")
    return lookups.join(lookups.add_days(rows) if table == "events" else rows, table)


def pyspark_frame(rows: pl.DataFrame, folder: Path) -> Any:
    """The rows as PySpark reads them from Parquet."""
    sql = pytest.importorskip("pyspark.sql", reason="PySpark is not installed: make test-slow installs it")
    settings = {"spark.ui.enabled": "false", "spark.sql.session.timeZone": "UTC", "spark.sql.shuffle.partitions": "1"}
    session = sql.SparkSession.builder.master("local[1]").config(map=settings).getOrCreate()
    rows.with_columns(pl.col("row_id").cast(pl.Int64)).write_parquet(folder / "rows.parquet")
    return session.read.parquet(str(folder / "rows.parquet"))


ENGINES = {
    "polars, lazy": lambda rows, _: rows.lazy(),
    "pandas": lambda rows, _: rows.to_pandas(use_pyarrow_extension_array=True),
    "pyarrow": lambda rows, _: rows.to_arrow(),
    "pyspark": pyspark_frame,
}


@pytest.mark.parametrize("table", schemas.TABLES)
@pytest.mark.parametrize("engine", [*list(ENGINES)[:3], pytest.param("pyspark", marks=pytest.mark.slow)])
def test_every_engine_gives_the_same_failures(engine, table, tmp_path):
    rows = rule_inputs(tmp_path, table)
    rules = quality_rules.rules(Validate(), table)
    expected = sorted(quality_rules.failures(rows, rules, Validate()).select("row_id", "rule").rows())
    assert len({rule for _, rule in expected}) > len(rules) / 2, "too few rules fail to prove anything"
    failures = nw.from_native(quality_rules.failures(ENGINES[engine](rows, tmp_path), rules, Validate()))
    failures = failures.collect() if isinstance(failures, nw.LazyFrame) else failures
    assert sorted(failures.select("row_id", "rule").rows()) == expected
