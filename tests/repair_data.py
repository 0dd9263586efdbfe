"""Rows that fail validation, for tests of repairs."""

from __future__ import annotations

from conftest import EVENTS

BAD = (
    EVENTS
    + "e6,u1,a,purchase,2024-02-01 10:05:00,0,10,,o9\n"  # quantity 0
    + "e7,u9,b,purchase,2024-02-02 09:00:00,1,1,,o3\n"  # there is no user u9
    + "e8,u1,b\n"  # three cells
)
