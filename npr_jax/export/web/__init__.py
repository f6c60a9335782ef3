"""A detector as a page: a folder of files that any web server can hand out."""
