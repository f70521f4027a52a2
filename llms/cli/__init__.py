"""Floor 7: the command line. One file a verb; a verb's imports happen when it runs."""
