"""The networks that can be trained and what each needs."""
