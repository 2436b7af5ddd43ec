"""From findings to pages: the tables, lines and templates of reports and comparisons, and their folder."""
