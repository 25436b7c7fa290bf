"""What every part of a site file is made of."""

from pydantic import BaseModel, ConfigDict

LOOPBACK = "127.0.0.1"


class ConfigError(ValueError):
    """A site file or an environment variable is wrong; the text names the file, the key and the mend."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
