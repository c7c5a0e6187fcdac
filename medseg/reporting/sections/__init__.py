"""The sections of the report's page: what each of them says and shows."""
