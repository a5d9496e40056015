"""Where samples come from: one file per format, told apart by what lies in the folder."""
