"""Run a stage: execute its notebook with Papermill and render the report."""

from recomart.runner import workarounds

workarounds.skip_rfc3987_grammar()  # before any module of this package imports nbformat
