"""llama-cpp-python: one model in memory, chats and embeddings over its bindings of llama.cpp."""
