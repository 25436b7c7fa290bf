"""radflow: the life of an imaging order as one durable Prefect flow run."""
