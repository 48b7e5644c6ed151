"""What is made of the log, in SQL: kept in a database, and made again from the log where that is lost."""
