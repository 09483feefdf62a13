"""Tests start from the defaults, whatever the settings file of the one who runs them says."""

import os

import hypothesis

os.environ["SAGESMITH_CONFIG"] = os.devnull

# How long an example takes depends on what else this machine does.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")
