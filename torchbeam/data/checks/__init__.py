"""What can be wrong with a data set, one file for each family of findings."""
