"""RecoMart: from a shop's files to recommendations that can be trusted."""

__version__ = "0.1.0"
