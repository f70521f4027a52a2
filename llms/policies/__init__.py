"""Floor 3: who may call, and how much at once. One file a policy; none knows HTTP or an upstream."""
