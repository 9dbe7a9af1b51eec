"""Which configuration does a model of all that was seen expect to improve most?"""

from tuitune.core.search.bayes.model import bayes_model

__all__ = ["bayes_model"]
