"""Report: tables, figures, one page and the end of a run on the terminal, all from stored rows alone."""
