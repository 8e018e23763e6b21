"""Settings of every tier."""

from hypothesis import settings

# A slow machine is no fault of the code: a property is never judged by its time.
settings.register_profile("stillroom", deadline=None)
settings.load_profile("stillroom")
