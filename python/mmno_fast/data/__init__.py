"""A data set that is open: its rows, its pictures, and single pictures of files."""
