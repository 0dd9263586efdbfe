"""The tables of 08 as files for other systems: what they contain, and how each format is written."""
