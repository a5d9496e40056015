"""One file per verb: composes the rooms, owns the run folder, returns a frozen record."""
