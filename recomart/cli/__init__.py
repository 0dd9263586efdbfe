"""The command line `recomart`: one module per group of commands."""
