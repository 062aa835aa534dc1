"""A folder for PYTHONPATH, with what reports on tests from inside their own process."""
