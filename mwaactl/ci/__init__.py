"""Slim CI: builds what a pull request changes, beside production, and says what that means."""
