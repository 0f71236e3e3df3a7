"""What becomes of a picture, and how sources are read: values that are checked when they are made."""
