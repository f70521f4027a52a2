"""Floor 3: what is told of requests. One file an observer: the log, the figures, the accounts; no secret gets out."""
