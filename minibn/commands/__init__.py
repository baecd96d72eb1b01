"""The commands of `python -m minibn`, one file each; `minibn/__main__.py` has their table."""
