"""In a large shop, searches, earlier cuts and the random split are evaluated on a random sample of the users.

The lists of the test window, the leaderboards and the headline are always of all users.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl

from recomart_lib.prepare import splits
from recomart_lib.train.train_data import Tables

MAX_USERS = 5_000  # the 95 % interval of ndcg@10 is then about 0.01 wide; more users would only take more time


def sample_window(window: Tables, cut: datetime, seed: int, max_users: int = MAX_USERS) -> Tables:
    """The window with the holdout of a random sample of its users, where more than `max_users` can be evaluated.

    Those of protocol *all*; the users of *novel* are among them. The same window and seed give the same users, so that
    all models are evaluated on them. What models learn from is unchanged.
    """
    users = evaluable(window)
    if len(users) <= max_users:
        return window
    rng = np.random.default_rng([seed, 2, int(cut.timestamp())])
    chosen = users.gather(np.sort(rng.choice(len(users), max_users, replace=False)))
    return {**window, "holdout": window["holdout"].filter(pl.col("user_id").is_in(chosen.implode()))}


def evaluable(window: Tables) -> pl.Series:
    """The ids of the users who can be evaluated in protocol *all*, ascending."""
    return splits.relevant(window["holdout"], "all").get_column("user_id").unique().sort()


def sizes(window: Tables, sample: Tables) -> tuple[int, int]:
    """The numbers of users who are evaluated and who could be."""
    return len(evaluable(sample)), len(evaluable(window))
