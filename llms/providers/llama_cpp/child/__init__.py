"""What runs beside the native code: one loaded model and the two libraries that can run it."""
