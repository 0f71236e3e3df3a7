"""What runs over all sources or shards and returns a report: `check`, `build`, `verify`."""
