"""Scores of a rendered asset: the embedded one needs no weights, the formula is the validators'."""
