"""What the embedded default brings along, so that nothing has to be installed: Java, PostgreSQL and Airflow."""
