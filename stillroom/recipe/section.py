"""What every part of the recipe is built on."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the recipe; an unknown key in it is a fault, and so is a value that would have to be converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
