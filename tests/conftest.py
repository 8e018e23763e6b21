"""Lets every test import the helpers that lie in this folder."""
