"""The project itself: params.yaml, dvc.yaml, Git, log files and the metadata that each stage leaves."""
