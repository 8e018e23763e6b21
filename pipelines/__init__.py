"""Pipelines that join the components, and the YAML compiled from them."""
