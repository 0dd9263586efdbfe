"""Run a stage: execute its notebook with Papermill and render the report."""
