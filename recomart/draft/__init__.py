"""A draft of a shop file from a folder of files: what each file is, and which of its columns are ours."""
