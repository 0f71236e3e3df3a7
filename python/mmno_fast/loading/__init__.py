"""Batches of a data set, made ahead of a training loop."""
