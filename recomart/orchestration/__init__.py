"""The pipeline of dvc.yaml in Dagster and Airflow."""
