"""The command line for laptops and CI."""
