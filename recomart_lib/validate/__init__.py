"""Stage 02: check every row against named rules, quarantine what fails, score the quality."""
