"""Tests start from the defaults, whatever the settings file of the one who runs them says."""

import os

os.environ["SAGESMITH_CONFIG"] = os.devnull
