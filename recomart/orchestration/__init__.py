"""The DVC graph in Dagster and Airflow."""
