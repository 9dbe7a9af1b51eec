"""Multivariate kernel density estimates: TPE, and BOHB under hyperband (Falkner et al. 2018)."""

from __future__ import annotations

from tuitune.core.search.tpe.model import tpe_model

__all__ = ["tpe_model"]
