"""What is known of models beyond their ids: told by their upstreams, or in a table of context windows and prices."""
