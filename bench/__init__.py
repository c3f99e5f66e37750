"""The measurement that is part of the product: `make bench`, explained in docs/benchmarks.md."""
