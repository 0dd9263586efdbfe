"""Published figures, with the settings that produced them. They are defined here only.

Sources
-------
A: MovieLens-100K, the split and protocol of recommenders-team/recommenders. SVD is a row of its table; popularity (ties
   by ascending id) and EASE were run on the same split. Its map@10 divides by the number of relevant items.
B: MovieLens-100K, the table in the README of Surprise: five folds by `KFold(random_state=0)`, seeds 0, defaults.
C: UCI Online Retail, cut 2011-11-01, horizon 30 days: run under the protocols of `reproduce`; ALS is implicit's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

SECTIONS = ("A", "B", "C")
SPLIT = "split"  # instead of a model: sizes of the data, and the scores of a perfect list
RATING_TOLERANCE = 0.0005  # for RMSE and MAE in all sections: three decimals


class PublishedResult(NamedTuple):
    """The published figures of one model: metric -> value, as printed in the source."""

    section: str
    model: str
    figures: dict[str, float]
    hyper: dict[str, Any] = {}  # noqa: RUF012 (never changed)
    ranking_tolerance: float = 0.00005  # four decimals


def figures_of(section: str, model: str) -> dict[str, float]:
    """The published figures of one model: metric -> value."""
    return next(result.figures for result in RESULTS if (result.section, result.model) == (section, model))


def _rating_errors(rmse: float, mae: float) -> dict[str, float]:
    return {"rmse": rmse, "mae": mae}


def _ranking(ndcg: float, precision: float, recall: float) -> dict[str, float]:
    return {"ndcg@10": ndcg, "precision@10": precision, "recall@10": recall}


def _protocol(name: str, precision: float, recall: float, ndcg: float, hit_rate: float) -> dict[str, float]:
    return {
        f"{name} precision@10": precision,
        f"{name} recall@10": recall,
        f"{name} ndcg@10": ndcg,
        f"{name} hit_rate@10": hit_rate,
    }


RESULTS = (
    PublishedResult("A", SPLIT, {"train rows": 75_066, "test rows": 24_934, "evaluated users": 943}),
    PublishedResult("A", "popularity", _ranking(0.2524, 0.2287, 0.1132)),
    PublishedResult("A", "ease", _ranking(0.4829, 0.4198, 0.2277), {"reg": 500}),
    PublishedResult(
        "A",
        "svd",
        {"map@10": 0.0121, **_ranking(0.0944, 0.0891, 0.0301), **_rating_errors(0.94251, 0.74475)},
        {"n_factors": 150, "n_epochs": 15, "learning_rate": 0.005, "reg": 0.02, "seed": 42},
        0.001,
    ),
    PublishedResult("B", "BaselineOnly", _rating_errors(0.944, 0.748), {"verbose": False}),
    PublishedResult("B", "SlopeOne", _rating_errors(0.946, 0.743)),
    PublishedResult("B", "KNNBasic", _rating_errors(0.98, 0.774), {"verbose": False}),
    PublishedResult("B", "KNNWithMeans", _rating_errors(0.951, 0.749), {"verbose": False}),
    PublishedResult("B", "KNNBaseline", _rating_errors(0.931, 0.733), {"verbose": False}),
    PublishedResult("B", "CoClustering", _rating_errors(0.963, 0.753), {"random_state": 0}),
    PublishedResult("B", "SVD", _rating_errors(0.934, 0.737), {"random_state": 0}),
    PublishedResult("B", "NMF", _rating_errors(0.963, 0.758), {"random_state": 0}),
    PublishedResult("B", "SVDpp", _rating_errors(0.919, 0.721), {"random_state": 0}),
    PublishedResult(
        "C",
        SPLIT,
        {
            "train pairs": 221_384,
            "users": 3_974,
            "items": 3_613,
            "customers in the window": 1_664,
            "known customers": 1_341,
            "all evaluated users": 1_340,
            "novel evaluated users": 1_246,
            "all attainable precision@10": 0.9068,
            "novel attainable precision@10": 0.8063,
        },
    ),
    PublishedResult(
        "C",
        "popularity",
        _protocol("all", 0.0755, 0.0313, 0.0833, 0.4619) | _protocol("novel", 0.0339, 0.0196, 0.0374, 0.2536),
    ),
    PublishedResult(
        "C",
        "recent_popularity",
        _protocol("all", 0.1172, 0.0501, 0.1312, 0.5925) | _protocol("novel", 0.0658, 0.0395, 0.0772, 0.4053),
        {"window_days": 30},
    ),
    PublishedResult("C", "own_history", _protocol("all", 0.2859, 0.1701, 0.3380, 0.8530)),
    PublishedResult("C", "own_history_decayed", _protocol("all", 0.2891, 0.1741, 0.3429, 0.8515), {"decay_days": 60}),
    PublishedResult(
        "C",
        "ease",
        _protocol("all", 0.2328, 0.1179, 0.2567, 0.7045) | _protocol("novel", 0.0776, 0.0657, 0.0984, 0.4599),
        {"reg": 200},
    ),
    PublishedResult(
        "C",
        "als",
        _protocol("all", 0.2366, 0.1304, 0.2743, 0.7701) | _protocol("novel", 0.0777, 0.0626, 0.0984, 0.4502),
        {"n_factors": 64, "reg": 5, "alpha": 2, "n_epochs": 15, "seed": 0},
        0.005,
    ),
)
