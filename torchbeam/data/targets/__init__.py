"""One file for each format that a source can be written as."""
