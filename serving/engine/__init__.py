"""The inference engine: llama.cpp on CPUs, batched, with shared prefixes and answers held to a schema."""
