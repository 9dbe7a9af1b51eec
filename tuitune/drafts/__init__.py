"""Study files drafted from the source of training scripts, which are read and never run."""
