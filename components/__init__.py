"""The pipeline's steps as KFP components: each the face of a library function, nothing else."""

from stillroom import __version__

IMAGE = f"stillroom/python:{__version__}"
"""The image that every component runs in on a cluster. Deployments pin it by its digest, because KFP's own cache
takes the image's name for its content."""
