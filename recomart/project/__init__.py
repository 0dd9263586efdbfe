"""The project itself: params.yaml, dvc.yaml, Git, log files and each stage's metadata."""
