"""The HTTP server around the engine: OpenAI's and KServe's protocols, admission, health, drain, metrics."""
