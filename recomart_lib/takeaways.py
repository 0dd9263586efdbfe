"""Numbers to sentences: every takeaway is computed, says how sure it is, and turns round when the numbers do.

Each function returns Markdown. Words that came from data pass through `safe`: they are text, never markup.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl

DRIFTED = 0.25  # the usual reading of a population stability index
FEW = 10  # users of a group whose mean is not worth a sentence


def safe(text: object) -> str:
    """Text from data, made harmless in Markdown and HTML."""
    escaped = html.escape(" ".join(str(text).split()), quote=False)
    return re.sub(r"([\\`*_{}\[\]()#+!|~$:])", r"\\\1", escaped)


def bullets(*sentences: str) -> str:
    """A Markdown list, empty sentences left out."""
    return "\n".join(f"- {sentence}" for sentence in sentences if sentence)


def number(value: float) -> str:
    """`12,345`, or four digits of a small number."""
    return f"{value:,.0f}" if abs(value) >= 100 or float(value).is_integer() else f"{value:.3g}"


def percent(share: float) -> str:
    """`12.3 %`; more digits where it is tiny."""
    return f"{share:.1%}".replace("%", " %") if abs(share) >= 0.001 or share == 0 else f"{share * 100:.2g} %"


def plural(count: int, one: str, many: str | None = None) -> str:
    """`1 row`, `2 rows`, `3 categories`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def arrived(files: pl.DataFrame) -> str:
    """What came, and whether all of it is there."""
    delivered, landed = files.get_column("rows_delivered").sum(), files.get_column("rows_landed").sum()
    new = files.filter(pl.col("state") != "known").height
    rejected = delivered - landed
    fate = "every row could be read" if not rejected else (
        f"{plural(rejected, 'row')} ({percent(rejected / delivered)}) could not be read and went to quarantine")  # fmt: skip
    return (
        f"**{plural(files.height, 'file')} hold {plural(delivered, 'row')}: {fate}.** "
        f"{plural(new, 'file')} were new or changed since the last run."
    )


def gone(names: list[str]) -> str:
    """Files that are in the lake, but no longer in the source folder."""
    if not names:
        return "Every file in the lake is still in the source folder."
    shown = ", ".join(safe(name) for name in names[:5])
    return (
        f"**{plural(len(names), 'file')} in the lake are no longer in the source folder** ({shown}{', ...' if names[5:] else ''}): "
        "what was landed stays and is still read. If they belong to another world (a new simulation, say), "
        "delete the shop's folder in data/raw and run again."
    )


def days_covered(days: pl.DataFrame) -> str:
    """Whether the feed has holes: `days` has one row per calendar day with `n` events."""
    if not days.height:
        return "There are no events."
    empty = days.filter(pl.col("n") == 0)
    median = days.get_column("n").median()
    holes = "No day is empty." if not empty.height else (
        f"{plural(empty.height, 'day')} of {days.height} without an event "
        f"({percent(empty.height / days.height)}); the first is {empty.get_column('day')[0]}.")  # fmt: skip
    return f"**A typical day brings {number(median)} events.** {holes}"


def quality(report: dict[str, Any]) -> str:
    """The score against the gate."""
    score, gate = report["score"], report["min_score"]
    lowest = min(report["tables"], key=lambda table: report["tables"][table]["score"])
    verdict = "the gate is open" if score >= gate else "**the pipeline stops here**"
    return (
        f"**The quality score is {_floored(score)} %** (lowest table: {lowest}); the gate asks for {gate:.1f} %: {verdict}. "
        f"The score is the share of judged rows that pass every error rule."
    )


def _floored(score: float) -> str:
    """A score with one digit, rounded down: 94.99 must not look like a passed gate."""
    return f"{math.floor(score * 10 + 1e-6) / 10:.1f}"


def asked_about(asked: pl.DataFrame) -> str:
    """What the shop file sets aside or asks about: `asked` has table, kind, name, meaning, rows, the places, became."""
    if not asked.height:
        return "The shop file excludes nothing, and asks about no group of rows."
    sentences = []
    for row in asked.iter_rows(named=True):
        if row["kind"] == "exclusion":
            fate = "excluded by the shop file, counted and not judged"
        else:
            places = [
                f"{number(row[place])} {place}" for place in ("quarantined", "duplicates", "excluded") if row[place]
            ]
            fate = "; ".join([f"{number(row['good'])} good ({row['became']})" if row["good"] else "none good", *places])
        sentences.append(
            f"**{safe(row['name'])}: {plural(row['rows'], 'row')} of {row['table']}**, {fate}: {safe(row['meaning'])}."
        )
    return bullets(*sentences)


def fetched(tables: pl.DataFrame) -> str:
    """What an API gave, and how patient one had to be: one row per fetched table."""
    if not tables.height:
        return "No API is asked: all tables come in files."
    n, retries = tables.get_column("records").sum(), tables.get_column("retries").sum()
    trouble = "No request had to be repeated." if not retries else (
        f"{plural(retries, 'request')} had to be repeated, with {number(tables.get_column('waited_s').sum())} s of waiting.")  # fmt: skip
    return f"**The API gave {plural(n, 'record')} in {plural(tables.get_column('pages').sum(), 'page')}.** {trouble}"


def ambiguous(files: pl.DataFrame, time_zone: str) -> str:
    """Local times that the end of summer time repeats."""
    n = files.get_column("times_ambiguous").sum()
    if not n:
        return ""
    return (
        f"**{plural(n, 'local time')} in {plural(files.filter(pl.col('times_ambiguous') > 0).height, 'file')} can mean two "
        f"moments**, for the clocks of {safe(time_zone)} go back; the shop file says which is meant (ambiguous_times)."
    )


def score_by_run(known: pl.DataFrame) -> str:
    """The score of this state of lake and rules beside the one before it."""
    if known.height < 2:
        return "This is the first state of lake and rules that was judged: there is nothing to compare with yet."
    change = known.get_column("score")[-1] - known.get_column("score")[-2]
    how = "as high as" if abs(change) < 0.005 else f"{abs(change):.2f} points {'above' if change > 0 else 'below'}"
    return f"**The newest of {known.height} judged states of lake and rules scores {how} the one before it.**"


def score_by_drop(history: pl.DataFrame, gate: float) -> str:
    """How many daily drops lie below the gate: `history` has day, score (0 to 100) and n (rows judged)."""
    if not history.height:
        return "No daily drop was judged: there is no score by day."
    below = history.filter(pl.col("score") < gate).height
    worst = history.sort("score", "day").row(0, named=True)
    share = f"{plural(below, 'drop')} of {history.height:,} {'lies' if below == 1 else 'lie'}" if below else (
        f"None of {plural(history.height, 'daily drop')} lies")  # fmt: skip
    return (
        f"**{share} below the gate of {gate:.1f} %.** The lowest is that of {worst['day']}: {_floored(worst['score'])} % of "
        f"{plural(worst['n'], 'row')}."
    )


def drifted(table: pl.DataFrame) -> str:
    """Which daily drops differ from those before them; `table` is that of `drift.drifts`."""
    if not table.height:
        return "Drift was not judged: a drop is compared with those before it, and there must be seven at least."
    flagged = table.filter("flagged")
    n_judged = table.get_column("day").n_unique()
    measures = ", ".join(table.get_column("measure").unique(maintain_order=True))
    if not flagged.height:
        return f"**None of {plural(n_judged, 'judged drop')} differs much from those before it** ({measures})."
    n_flagged = flagged.get_column("day").n_unique()
    counts = ", ".join(
        f"{measure} {n:,}" for measure, n in flagged.group_by("measure", maintain_order=True).len("n").iter_rows()
    )
    worst = "; ".join(
        f"{row['day']} {row['measure']} {row['value']:.2f} (threshold {row['threshold']:.2f}; {safe(row['detail'][:80])})"
        for row in flagged.sort("severity", "day", descending=[True, False]).head(3).iter_rows(named=True)
    )
    return (
        f"**{n_flagged:,} of {plural(n_judged, 'judged drop')} {'differs' if n_flagged == 1 else 'differ'} much from those "
        f"before {'it' if n_flagged == 1 else 'them'}**, by measure: {counts}. The worst: {worst}."
    )


def costliest(report: dict[str, Any], severity: str = "error") -> str:
    """Which rules cost most rows."""
    failed = [rule for rule in report["rules"] if rule["severity"] == severity and rule["n_failed"]]
    if not failed:
        return f"No rule of severity {severity} is broken."
    worst = sorted(failed, key=lambda rule: (-rule["n_failed"], rule["rule"]))[:3]
    named = "; ".join(f"{rule['table']}.{rule['rule']} ({number(rule['n_failed'])} rows)" for rule in worst)
    return f"**{plural(len(failed), 'rule')} of severity {severity} {'is' if len(failed) == 1 else 'are'} broken**, most often: {named}."


def reconciled(report: dict[str, Any]) -> str:
    """Where all rows went."""
    sums = {key: sum(row[key] for row in report["tables"].values()) for key in
            ("delivered", "rejected", "landed", "repaired", "good", "quarantined", "duplicates", "excluded")}  # fmt: skip
    repaired = f" {number(sums['repaired'])} of the rows were repaired and landed again." if sums["repaired"] else ""
    return (
        f"**All {number(sums['landed'])} landed rows are accounted for**: {number(sums['good'])} good + "
        f"{number(sums['quarantined'])} quarantined + {number(sums['duplicates'])} duplicates + "
        f"{number(sums['excluded'])} excluded. {number(sums['rejected'])} of {number(sums['delivered'])} delivered rows "
        f"could not be read.{repaired}"
    )


def concentration(counts: pl.DataFrame, what: str, top: float, share: float) -> str:
    """How uneven the distribution is."""
    if not counts.height:
        return f"There are no {what}."
    single = counts.filter(pl.col("n") == 1).height / counts.height
    shape = "a few carry most of it" if share > 0.5 else "it is spread"
    return (
        f"**The top {percent(top)} of {what} have {percent(share)} of the events** ({shape}); the median has "
        f"{number(counts.get_column('n').median())}, and {percent(single)} have just one."
    )


def funnel(steps: pl.DataFrame) -> str:
    """Where pairs are lost on the way to a purchase."""
    recorded = steps.filter(pl.col("events") > 0)
    if not recorded.height:
        return "This shop records no step of the funnel (view, cart, purchase): there is nothing to compare."
    if recorded.height < 2:
        only = recorded.get_column("step")[0]
        return f"This shop records one step of the funnel only ({only}): there is nothing to compare."
    lost = recorded.filter(pl.col("share_of_previous").is_not_null()).sort("share_of_previous")
    if not lost.height:
        return "The recorded steps do not follow one another: no share can be given."
    step = lost.row(0, named=True)
    return (
        f"**The narrowest step is {step['step']}: {percent(step['share_of_previous'])} of the pairs at the step before "
        f"reach it.** {number(steps.get_column('reached')[-1])} user-item pairs go all the way."
    )


def season(weeks: pl.DataFrame) -> str:
    """How much the weeks differ."""
    if weeks.height < 4:
        return f"{plural(weeks.height, 'full week')}: too few to speak of seasons."
    best, worst = weeks.sort("n").row(-1, named=True), weeks.sort("n").row(0, named=True)
    ratio = best["n"] / max(worst["n"], 1)
    quarter = max(weeks.height // 4, 1)
    trend = weeks.get_column("n").tail(quarter).mean() / max(weeks.get_column("n").head(quarter).mean(), 1) - 1
    way = f"the last quarter of the weeks is {percent(abs(trend))} {'above' if trend > 0 else 'below'} the first"
    if trend > 2:
        way = f"the last quarter of the weeks has {trend + 1:.1f} times the events of the first"
    return (
        f"**The busiest week ({best['week']}) has {ratio:.1f} times the events of the quietest ({worst['week']})**; {way}. "
        "A cut in time must live with that; a random split would hide it."
    )


def busiest_hour(grid: pl.DataFrame) -> str:
    """When the shop is busy."""
    long = grid.unpivot(index="day", variable_name="hour", value_name="share").sort("share", "day", "hour")
    top = long.row(-1, named=True)
    empty = long.filter(pl.col("share") == 0).height
    return (
        f"**The busiest hour is {top['day']} {top['hour']}:00 with {percent(top['share'])} of all events** "
        f"(even spread: {percent(1 / 168)}); {empty} of 168 hours of the week have none."
    )


def repeats(pairs: pl.DataFrame) -> str:
    """Whether people come back for the same thing."""
    if not pairs.height:
        return "Nothing was taken."
    again = pairs.filter(pl.col("n_days") > 1)
    share = again.height / pairs.height
    gap = f"; the median gap is {number(again.get_column('gap_days').median())} days" if again.height else ""
    if not again.height:
        return (
            "**Nobody took the same thing again on another day**: protocol *novel*, which hides what a user had, is the one to read, "
            "and recommend.protocol can be novel."
        )
    advice = "own history will be hard to beat in protocol *all*" if share > 0.1 else "lists must bring something new"
    return f"**{percent(share)} of the user-product pairs were taken again on another day**{gap}: {advice}."


def stars(given: pl.DataFrame) -> str:
    """How people rate."""
    n = given.get_column("n").sum()
    if not n:
        return "This shop has no ratings: the rating model learns from ratings derived from the implicit score."
    mean = (given.get_column("stars") * given.get_column("n")).sum() / n
    top = given.filter(pl.col("stars") >= 4).get_column("n").sum() / n
    return f"**{number(n)} ratings, {mean:.2f} stars on average**; {percent(top)} are 4 stars or more."


def category_structure(table: pl.DataFrame, currency: str) -> str:
    """Which categories earn the money; where nothing has a price, which are taken most often."""
    if not table.height:
        return "This shop has no categories: they cannot help a recommender here."
    first, revenue = table.row(0, named=True), table.get_column("revenue").sum()
    if revenue:
        lead = f"earns most: {number(first['revenue'])} {safe(currency)}, {percent(first['revenue'] / revenue)}"
    else:
        lead = f"is taken most: {plural(first['n'], 'relevant event')}, {percent(first['n'] / table.get_column('n').sum())}"
    price = (
        "" if first["median_price"] is None else f" at a median price of {first['median_price']:,.2f} {safe(currency)}"
    )
    return f"**{safe(first['category'])} {lead} of the categories shown**, with {plural(first['items'], 'product')}{price}."


def prices(items: pl.DataFrame, currency: str) -> str:
    """How prices are spread."""
    known = items.get_column("price").drop_nulls()
    if not len(known):
        return "This shop has no prices."
    low, mid, high = (known.quantile(q, "linear") for q in (0.1, 0.5, 0.9))
    return (
        f"**Half of the products cost less than {mid:,.2f} {safe(currency)}**; the middle 80 % lie between {low:,.2f} and {high:,.2f}, "
        f"a factor of {high / max(low, 0.01):,.1f}. {percent(items.get_column('price').null_count() / items.height)} have no price."
    )


def density(facts: dict[str, float]) -> str:
    """How empty the matrix is."""
    per_user = facts["pairs"] / max(facts["users"], 1)
    return (
        f"**{percent(facts['density'])} of the {number(facts['users'])} x {number(facts['items'])} matrix is filled**: "
        f"{per_user:.1f} products per user on average. The rest is what a recommender has to guess."
    )


def cut(description: dict[str, Any], name: str) -> str:
    """Whom a window can judge."""
    n = description["users_in_window"]
    if not n:
        return f"**Nobody does anything relevant in the {name} window**: nothing can be judged by it."
    return (
        f"**{name}: {number(description['evaluated_all'])} of {plural(n, 'user')} can be judged** "
        f"({number(description['evaluated_novel'])} in protocol *novel*): known before the window, with a relevant product "
        f"that was known too. {number(description['cold_users'])} are cold."
    )


def missing(described: pl.DataFrame) -> str:
    """Which features are mostly null. `described`: see `features.profile.profile`."""
    gaps = described.filter(pl.col("nulls") > 0).sort("nulls", "feature", descending=[True, False])
    if not gaps.height:
        return f"**No nulls** in {plural(described.height, 'feature')}."
    absent = gaps.filter(pl.col("nulls") == 1).height
    worst = ", ".join(f"{row['entity']}.{row['feature']} {percent(row['nulls'])}" for row in gaps.head(5).to_dicts())
    tail = f" {plural(absent, 'feature')} could not be computed in this shop." if absent else ""
    return f"**{gaps.height} of {plural(described.height, 'feature')} have nulls**, most of all {worst}.{tail}"


def moved(described: pl.DataFrame) -> str:
    """Which features are distributed otherwise at the test cut than at the valid cut."""
    known = described.drop_nulls("psi")
    if not known.height:
        return "Drift between the cuts cannot be told: one of them knows nobody."
    far = known.filter(pl.col("psi") >= DRIFTED).sort("psi", "feature", descending=[True, False])
    if not far.height:
        top = known.sort("psi", "feature", descending=[True, False]).row(0, named=True)
        return f"**No feature drifts** from the valid cut to the test cut; most moved {top['entity']}.{top['feature']} (psi {number(top['psi'])})."
    named = ", ".join(f"{row['entity']}.{row['feature']} ({number(row['psi'])})" for row in far.head(8).to_dicts())
    return f"**{far.height} of {plural(known.height, 'feature')} drift** from the valid cut to the test cut (psi of {DRIFTED} or more): {named}."


def audited(name: str, as_of: datetime, table: pl.DataFrame) -> str:
    """What the leakage audit found at a cut. `table`: see `features.audit.audit`."""
    canary = table.filter(pl.col("feature").str.starts_with("canary"))
    features = table.filter(~pl.col("feature").str.starts_with("canary"))
    leaks = features.filter("leaks").height
    latest = features.get_column("latest_event").max()
    caught = "the canary was caught" if canary.get_column("leaks").all() else "**the canary was not caught**"
    seen = f"latest event used: {latest:%Y-%m-%d %H:%M:%S}" if latest else "no event was used"
    verdict = (
        f"**{plural(leaks, 'feature')} leak**" if leaks else f"**none of {plural(features.height, 'feature')} leaks**"
    )
    return f"Cut *{name}* ({as_of:%Y-%m-%d %H:%M:%S} UTC): {verdict}; {seen}; {features.get_column('n_changed').sum():,} values changed with the future; {caught} ({canary.get_column('n_changed').sum():,} changed)."


def alike(entity: str, pairs: pl.DataFrame) -> str:
    """Which features of an entity say the same. `pairs`: see `features.profile.alike`."""
    if not pairs.height:
        return f"{entity}: **no two features say the same** (rank correlation of 0.95 or more)."
    named = ", ".join(f"{row['one']} and {row['other']} ({row['correlation']:.2f})" for row in pairs.head(6).to_dicts())
    return f"{entity}: **{plural(pairs.height, 'pair')} of features say nearly the same**: {named}."


def freshness(last: str, live: datetime) -> str:
    """How old the live features are."""
    hours = (live - datetime.fromisoformat(last)).total_seconds() / 3600
    lag = f"{number(hours)} hours after the last event" if hours > 0.01 else "right after the last event"
    return f"**Live features are as of {live:%Y-%m-%d %H:%M:%S} UTC**, {lag}."


def signal(table: pl.DataFrame, service: str) -> str:
    """Which feature alone tells most about what is taken again. `table`: see `lessons.signal`."""
    if not table.height:
        return "**Nothing to learn from features yet**: no pair that was known at an earlier cut was, or was not, taken again."
    top = table.row(0, named=True)
    telling = table.filter((pl.col("low") > 0.5) | (pl.col("high") < 0.5)).height
    way = "larger" if top["auc"] > 0.5 else "smaller"
    return f"**{safe(top['feature'])} tells most** of {plural(table.height, 'feature')} of {service}: what is taken again has the {way} value in {percent(max(top['auc'], 1 - top['auc']))} of comparisons (AUC {top['auc']:.3f}, {top['low']:.3f} to {top['high']:.3f}); {plural(telling, 'feature')} tell something."


def tuned(best: pl.DataFrame) -> str:
    """What tuning on valid decided. `best`: see `training.best`."""
    known = best.filter(pl.col("protocol") == "all").sort("ndcg@10", descending=True, nulls_last=True)
    if not known.height or known.get_column("ndcg@10")[0] is None:
        return "Nobody can be judged on valid: the first candidate of every model is taken."
    first = known.row(0, named=True)
    return f"**On valid, {safe(first['model'])} ranks best (ndcg@10 {first['ndcg@10']:.4f} in protocol *all*)**. Test was not looked at."


def searched(table: pl.DataFrame) -> str:
    """Whether searching found more than the defaults. `table`: see `training.searched`."""
    tried = table.filter(pl.col("trials") > 1)
    if not tried.height:
        return "**No model was searched**: every hyper-parameter is fixed in train.models, or train.n_trials is 1."
    gains = tried.filter(pl.col("best") > pl.col("defaults")).with_columns(gain=pl.col("best") - pl.col("defaults"))
    made = f"{plural(tried['trials'].sum(), 'trial')} of {plural(tried.height, 'model')}"
    if not gains.height:
        return f"**Searching found nothing better than the defaults** in {made}: they stay."
    top = gains.sort("gain", "model", descending=[True, False]).row(0, named=True)
    return (
        f"**Searching beat the defaults in {gains.height} of {plural(tried.height, 'model')}** ({made}), most of all in "
        f"{safe(top['model'])}: {top['defaults']:.4f} to {top['best']:.4f}. The gain is measured on the window that chose it: "
        "on test expect less."
    )


def traded(log: pl.DataFrame, best: pl.DataFrame) -> str:
    """What the choice does in each protocol, beside the defaults. `log`, `best`: see `training.tune`, `training.best`."""
    first = log.filter(pl.col("trial") == 0).select("model", "protocol", before="ndcg@10")
    moved = (
        best.filter(pl.col("trial") > 0)
        .join(first, on=["model", "protocol"])
        .filter(pl.col("ndcg@10") < pl.col("before"))
    )
    if not moved.height:
        return "The chosen parameters are worse than the defaults in neither protocol."
    worst = moved.sort(pl.col("before") - pl.col("ndcg@10"), descending=True).row(0, named=True)
    return (
        f"**The choice has a price in {plural(moved['model'].n_unique(), 'model')}**, most of all {safe(worst['model'])} in protocol "
        f"*{worst['protocol']}*: {worst['before']:.4f} to {worst['ndcg@10']:.4f}. train.tune_protocol says which protocol decides."
    )


def important(shares: pl.DataFrame, least: int) -> str:
    """Which hyper-parameter matters, by model. `shares`: see `training.importances`; `least`: the trials it asks for."""
    if not shares.height:
        return (
            f"**Not enough trials to tell which hyper-parameter matters**: it takes {least} trials (train.n_trials) of a model "
            "with two or more free ones, not all equally good."
        )
    top = shares.sort("share", descending=True, maintain_order=True).unique("model", keep="first", maintain_order=True)
    named = [
        f"{safe(row['model'])}: {safe(row['parameter'])} ({percent(row['share'])})" for row in top.iter_rows(named=True)
    ]
    return f"**What separates good trials from the others most**: {'; '.join(named)}. With so few trials this is a hint, no proof."


def champion(table: pl.DataFrame, protocol: str) -> str:
    """The best model of a protocol, and whether its lead is more than chance."""
    rows = table.sort("ndcg@10", "model", descending=[True, False])
    if rows.height < 2:
        return f"Protocol *{protocol}*: nobody can be judged."
    first, second = rows.row(0, named=True), rows.row(1, named=True)
    clear = first["ndcg@10_ci"][0] > second["ndcg@10_ci"][1]
    lead = "their intervals do not overlap" if clear else "their intervals overlap: the paired tests below tell more"
    return (
        f"**Protocol *{protocol}*: {first['model']} leads with ndcg@10 {first['ndcg@10']:.4f} "
        f"({first['ndcg@10_ci'][0]:.4f} to {first['ndcg@10_ci'][1]:.4f})**, before {second['model']} "
        f"({second['ndcg@10']:.4f}); {lead}."
    )


def compared(test: pl.DataFrame, protocol: str) -> str:
    """Which models are better, worse or not to be told apart from the chosen one, by paired tests (Holm, 5 %)."""
    sure = test.filter(pl.col("p_holm") < 0.05)
    groups = {
        "better": sure.filter(pl.col("difference") > 0),
        "worse": sure.filter(pl.col("difference") < 0),
        "not to be told apart": test.join(sure, on="model", how="anti"),
    }
    named = [f"{word}: {', '.join(rows['model'])}" for word, rows in groups.items() if rows.height]
    if not named:
        return f"Protocol *{protocol}*: there is no other model to compare with."
    return f"**Protocol *{protocol}*, beside {test['reference'][0]}** (chosen on valid): {'; '.join(named)}."


def rating_model(errors: dict[str, dict[str, float]], metrics: dict[str, dict[str, Any]]) -> str:
    """Where the best of the rating models stands as a ranker."""
    raters = sorted(errors.keys() & metrics.keys(), key=lambda name: (errors[name]["rmse"], name))
    if not raters:
        return "There is no rating in the test window to judge the rating model by."
    best, mean, floor = raters[0], errors["global_mean"]["rmse"], metrics["popularity"]["ndcg@10"]
    own, ranks = errors[best]["rmse"], metrics[best]["ndcg@10"]
    better = "better" if own < mean else "no better"
    place = "below" if ranks < floor else "above"
    others = f"Of {plural(len(raters), 'rating model')} it is the best. " if len(raters) > 1 else ""
    return (
        f"**{safe(best)} predicts ratings {better} than the mean rating (RMSE {own:.3f} against {mean:.3f}), and ranks "
        f"{place} popularity (ndcg@10 {ranks:.4f} against {floor:.4f}).** {others}"
        "Guessing how much somebody will like a thing is another task than guessing what they will pick."
    )


def targets(card: pl.DataFrame) -> str:
    """How many targets are met, by protocol."""
    if not card.height:
        return "**Nobody can be judged in the test window: no target can be met or missed.**"
    parts = []
    for protocol in card.get_column("protocol").unique(maintain_order=True):
        rows = card.filter(pl.col("protocol") == protocol)
        met = rows.filter(pl.col("verdict").is_in(["met", "surely met"])).height
        sure = rows.filter(pl.col("verdict") == "surely met").height
        parts.append(
            f"protocol *{protocol}*: {met} of {rows.height} met, {sure} of them surely (lower bound above the target)"
        )
    return "**Targets: " + "; ".join(parts) + ".**"


def who_loses(shares: dict[str, float], model: str, against: str) -> str:
    """For whom the model is worse than a simple list."""
    return (
        f"**{percent(shares['worse'])} of the users are served worse by {model} than by {against}**, "
        f"{percent(shares['better'])} better, {percent(shares['equal'])} alike."
    )


def reasons(recommendations: pl.DataFrame, users: int, k: int) -> str:
    """Whether everybody gets a full list, and why things are on it."""
    full = recommendations.group_by("user_id").len().filter(pl.col("len") == k).height
    items = recommendations.get_column("item_id").n_unique()
    return (
        f"**{number(full)} of {plural(users, 'user')} get {k} suggestions**, {plural(items, 'distinct product')} in all; "
        f"{percent(recommendations.get_column('reason').null_count() / max(recommendations.height, 1))} of the suggestions lack a reason."
    )


def pages(shown: Mapping[str, pl.DataFrame]) -> str:
    """What the lists of the gallery are made of. `shown`: kind of user -> `recommend.beside`."""
    parts = []
    for kind, page in shown.items():
        if kind == "cold" and page.get_column("history").count():
            parts.append("No user is **cold**: a light one stands in.")
            continue
        again = page.filter(pl.col("reason").str.starts_with("You chose")).height
        known = page.get_column("history").count()
        parts.append(
            f"The **{kind}** user has {plural(known, 'product')} beside the list and gets {again} of {page.height} "
            f"suggestions from the own history, from {plural(page.get_column('category').n_unique(), 'category', 'categories')}."
        )
    return bullets(*parts)


def look_alikes(found: pl.DataFrame) -> str:
    """Whether similar products are of one kind. `found`: `recommend.look_alikes`."""
    if not found.height:
        return "**No product has a similar one**: nobody took two of them."
    same = int(found.get_column("same_category").sum())
    return f"**{same} of {plural(found.height, 'similar product')} share the category** of the product they are similar to."


def commonest_reason(kinds: pl.DataFrame) -> str:
    """Which kind of reason carries the lists."""
    if not kinds.height:
        return "There are no suggestions."
    first = kinds.row(0, named=True)
    return f"**{percent(first['n'] / kinds.get_column('n').sum())} of the suggestions stand on one kind of reason: {first['kind']}.**"


def _interval(row: dict[str, Any]) -> str:
    """`0.1234 (0.1200 to 0.1270)` of a row with mean, low, high."""
    return f"{row['mean']:.4f} ({row['low']:.4f} to {row['high']:.4f})"


def _apart(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one["low"] > other["high"] or other["low"] > one["high"]


def weeks(table: pl.DataFrame, model: str, metric: str = "ndcg@10") -> str:
    """How a list that was fixed at the cut ages. `table`: `beyond.summary` by week, days and model."""
    rows = table.filter(pl.col("model") == model, pl.col("metric") == metric, pl.col("days") == 7).sort("week")
    if rows.height < 2:
        return "The test window has fewer than two full weeks with somebody to judge: how lists age cannot be told."
    first, last = rows.row(0, named=True), rows.row(-1, named=True)
    change = last["mean"] / first["mean"] - 1 if first["mean"] else 0.0
    if _apart(first, last):
        verdict = f"it {'gains' if change > 0 else 'loses'} {percent(abs(change))}, more than chance"
    else:
        verdict = "the intervals overlap: no ageing can be told from chance"
    return f"**{model}'s lists, {metric}: {_interval(first)} in week {first['week']}, {_interval(last)} in week {last['week']}**; {verdict}."


def learning_curve(table: pl.DataFrame, model: str, against: str, metric: str = "ndcg@10") -> str:
    """From which history on a model serves users better than a simple list. `table`: `beyond.summary` by history.

    Groups of fewer than FEW users are left out: their intervals say nothing.
    """
    rows = table.filter(pl.col("metric") == metric, pl.col("n") >= FEW)
    own = {row["history"]: row for row in rows.filter(pl.col("model") == model).sort("history").to_dicts()}
    theirs = {
        row["history"]: row for row in rows.filter(pl.col("model") == against).to_dicts() if row["history"] in own
    }
    if not theirs or model == against:
        return f"{model} and {against} are one model, or there is nobody whom both were judged by."
    better = [name for name, row in theirs.items() if own[name]["low"] > row["high"]]
    worse = [name for name, row in theirs.items() if own[name]["high"] < row["low"]]
    alike = [name for name in theirs if name not in better + worse]
    groups = {"surely above": better, "not to be told apart from": alike, "surely below": worse}
    told = "; ".join(f"{word} {against} for {', '.join(names)}" for word, names in groups.items() if names)
    names = list(own)
    shown = ", ".join(f"{_interval(row)} for {name}" for name, row in own.items() if name in (names[0], names[-1]))
    return f"**By distinct products taken before the cut, {metric} of {model} is {shown}.** It is {told}."


def backtested(table: pl.DataFrame, model: str, protocol: str, metric: str = "ndcg@10") -> str:
    """Whether the chosen model leads at other cuts too. `table`: `beyond.summary` by cut, protocol and model."""
    rows = table.filter(pl.col("protocol") == protocol, pl.col("metric") == metric).sort("cut", "mean", "model")
    own = rows.filter(pl.col("model") == model)
    n = rows.get_column("cut").n_unique()
    if not own.height:
        return f"Protocol *{protocol}*: nobody can be judged at any cut."
    top = rows.group_by("cut", maintain_order=True).agg(pl.col("mean").max().alias("top"))
    leads = own.join(top, on="cut").filter(pl.col("mean") == pl.col("top")).height
    lowest, highest = own.get_column("mean").min(), own.get_column("mean").max()
    few = "" if own.height == n else f" (of {n} in all: it reads features, which were stored for these only)"
    span = f"{metric} from {lowest:.4f} to {highest:.4f}" if own.height > 1 else f"{metric} {lowest:.4f}"
    return f"**Protocol *{protocol}*: {model} leads at {leads} of the {plural(own.height, 'cut')} at which it was judged**{few}; {span}."


def calibrated(bins: pl.DataFrame, errors: dict[str, float]) -> str:
    """Whether estimated chances can be taken at their word. `bins`: `evaluation.calibrated`; `errors`: by model."""
    if not bins.height:
        return "No model of this run tells a probability: there is nothing to hold against what happened."
    sentences = []
    for (model,), rows in bins.group_by("model", maintain_order=True):
        share = rows.get_column("n") / rows.get_column("n").sum()
        told, happened = (rows.get_column("estimate") * share).sum(), (rows.get_column("observed") * share).sum()
        held = rows.filter(pl.col("estimate").is_between("low", "high")).height
        way = "too high" if told > happened else "too low"
        verdict = "its chances can be taken at their word" if held == rows.height else f"on the whole {way}"
        sentences.append(
            f"**{model} foretold {percent(told)} on average, and {percent(happened)} happened**: {verdict}; the estimate lies within "
            f"the interval in {held} of {plural(rows.height, 'bin')}, expected calibration error {percent(errors[model])}."
        )
    return bullets(*sentences) if len(sentences) > 1 else sentences[0]


def catalogue(table: pl.DataFrame, model: str, taken: str = "(taken)", k: int = 10) -> str:
    """Whether a model shows more of what is popular than users take. `table`: `beyond.catalogue_use`."""
    rows = {row["model"]: row for row in table.iter_rows(named=True)}
    if model not in rows or rows[taken][f"popularity@{k}"] is None:
        return "Nobody can be judged: how the catalogue is used cannot be told."
    own, theirs = rows[model], rows[taken]
    low, high = own[f"popularity@{k}_ci"]
    reference = theirs[f"popularity@{k}"]
    way = "leans to what is popular" if low > reference else "leans away from what is popular" if high < reference else "shows about as popular products as users take"  # fmt: skip
    return (
        f"**{model} {way}**: its products stand at {percent(own[f'popularity@{k}'])} of the popularity ranking on average, what "
        f"users took at {percent(reference)}. It shows {percent(own[f'shown@{k}'])} of the catalogue (users took "
        f"{percent(theirs[f'shown@{k}'])}), Gini {own[f'gini@{k}']:.2f} (taken: {theirs[f'gini@{k}']:.2f})."
    )


def flattered(table: pl.DataFrame, metric: str = "ndcg@10") -> str:
    """How much better models look on a random split. `table`: `beyond.summary` by split and model."""
    rows = {(row["split"], row["model"]): row for row in table.filter(pl.col("metric") == metric).to_dicts()}
    sentences = []
    for model in dict.fromkeys(model for split, model in rows if ("time", model) in rows and ("random", model) in rows):
        time, chance = rows["time", model], rows["random", model]
        if not _apart(time, chance):
            word = "no surely different number"
        elif time["mean"] == 0:
            word = "a number above nothing"
        else:
            ratio = chance["mean"] / time["mean"]
            word = (
                f"{ratio:.1f} times the number: it flatters"
                if ratio > 1
                else f"{ratio:.2f} times the number: it does not flatter here"
            )
        sentences.append(
            f"**{model}: a random split gives {word}** ({metric} {_interval(chance)} instead of {_interval(time)})."
        )
    return bullets(*sentences) or "Nobody can be judged in protocol *novel*: the splits cannot be compared."


def longer(by_k: pl.DataFrame, model: str) -> str:
    """What a longer list buys. `by_k`: `evaluation.by_length`."""
    rows = by_k.filter(pl.col("model") == model).sort("k")
    if rows.height < 2:
        return "Nobody can be judged: what longer lists buy cannot be told."
    first, last = rows.row(0, named=True), rows.row(-1, named=True)
    return (
        f"**{model}: a list of {last['k']} finds {percent(last['recall'])} of what users take, a list of {first['k']} "
        f"{percent(first['recall'])}**; ndcg is {first['ndcg']:.4f} at {first['k']} and {last['ndcg']:.4f} at {last['k']}."
    )


def breadth(board: pl.DataFrame, model: str, k: int = 10) -> str:
    """What a model's accuracy costs in coverage. `board`: `evaluation.leaderboard`."""
    rows = {row["model"]: row for row in board.iter_rows(named=True) if row["model"] != "random"}
    if model not in rows:
        return "Nobody can be judged: accuracy cannot be held against coverage."
    own, widest = rows[model], max(rows.values(), key=lambda row: (row[f"coverage@{k}"], row["model"]))
    if widest["model"] == model:
        return f"**{model} also shows most of the catalogue**: {percent(own[f'coverage@{k}'])}."
    return (
        f"**{model} shows {percent(own[f'coverage@{k}'])} of the catalogue at ndcg@{k} {own[f'ndcg@{k}']:.4f}**; {widest['model']} "
        f"shows most, {percent(widest[f'coverage@{k}'])}, at ndcg@{k} {widest[f'ndcg@{k}']:.4f}."
    )


def weak(rows: list[dict[str, Any]], model: str, metric: str = "ndcg@10") -> str:
    """The groups of users whom a model serves surely worse than its average. `rows`: `beyond.weak`."""
    if not rows:
        return f"**In no group is {model} surely below its own average** (no interval ends below it)."
    named = "; ".join(f"{row['by']} {safe(row['slice'])} ({row['mean']:.4f}, n = {row['n']:,})" for row in rows[:6])
    more = f"; and {len(rows) - 6} more" if len(rows) > 6 else ""
    return f"**{model} is surely below its own average ({metric}) in {plural(len(rows), 'group')}**: {named}{more}."


def parts(told: pl.DataFrame, model: str) -> str:
    """What a model's scores are made of. `told`: `why.told`, of one user."""
    if not told.height:
        return f"**{model} has no parts that could be shown**: its score is no sum. The reasons above are evidence from the shop's data."
    first = (
        told.filter(pl.col("place") == 1)
        .get_column("cause")
        .value_counts()
        .sort("count", "cause", descending=[True, False])
    )
    cause, count = first.row(0)
    return (
        f"**What speaks most for these suggestions: {safe(cause)}** (the largest part in {count} of "
        f"{told.select('user_id', 'item_id').n_unique()})."
    )


def streamed(session: pl.DataFrame, n_events: int) -> str:
    """What the last session of the stream brought, and where all of it went; `n_events`: of all sessions."""
    if not session.height:
        return "**No event was streamed yet.** `recomart stream demo` shows how it works; docs/streaming.md tells the rest."
    n = {name: session.get_column(f"n_{name}").sum() for name in ("messages", "events", "dead", "duplicates")}
    first, last = session.get_column("minute")[0], session.get_column("minute")[-1]
    return (
        f"**The last session brought {plural(n['messages'], 'message')}: {plural(n['events'], 'event')} went into the lake, "
        f"{number(n['dead'])} to the dead letters, {number(n['duplicates'])} had come before.** It ran from {first:%Y-%m-%d %H:%M} to "
        f"{last:%H:%M} (UTC); its busiest minute brought {number(session.get_column('n_messages').max())}. "
        f"All sessions together: {plural(n_events, 'event')}."
    )


def streamed_late(session: pl.DataFrame) -> str:
    """How long events took to the disk, in the worst minute and the usual one."""
    late = session.drop_nulls("p50")
    if not late.height:
        return "Nothing tells how late events were: none carried the time at which it was sent."
    usual, worst = late.get_column("p50").median(), late.get_column("p99").max()
    return (
        f"In the usual minute, half of the events were on the disk {usual:,.0f} ms after they were sent; "
        f"in the worst, one in a hundred took more than {worst:,.0f} ms. Classes are 5 % wide."
    )


def followed(late: dict[str, float | None], target_ms: float) -> str:
    """How long events took to the online features, beside the target."""
    if late["p99"] is None:
        return (
            "No event of the session was newer than the feature tables when it came, so none had to reach the online "
            "features: nothing was measured."
        )
    verdict = "met" if late["p99"] < target_ms else "missed"
    return (
        f"**99 of 100 events were in the online features within {late['p99']:,.0f} ms; the target of {target_ms:,.0f} ms "
        f"is {verdict}.** Half were within {late['p50']:,.0f} ms."
    )


def dead_letters(reasons: pl.DataFrame) -> str:
    """Why messages could not be used."""
    if not reasons.height:
        return "There are no dead letters: every message was a good event."
    top, n = reasons.get_column("reason")[0], reasons.get_column("n")
    return (
        f"**{plural(n.sum(), 'dead letter')}**, most often ({percent(n[0] / n.sum())}): {safe(top)}. They lie in the streaming "
        "zone and on the dead-letter topic, with their bytes, topic, partition and offset."
    )
