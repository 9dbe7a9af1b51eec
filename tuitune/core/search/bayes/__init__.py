"""The Gaussian process behind `method = "bayes"`."""
