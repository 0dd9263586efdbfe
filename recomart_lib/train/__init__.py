"""Stage 06: search hyper-parameters, select models, fit them, write their lists."""
