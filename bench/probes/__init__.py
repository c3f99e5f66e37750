"""Scripts that run in other virtualenvs, by path: they import nothing of `bench`."""
