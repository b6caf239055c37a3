"""The data sets, one file or folder each."""
