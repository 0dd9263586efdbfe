"""What runs, serves and shows RecoMart: command line, notebook runner, pages, Kafka service, Dagster, simulator."""
