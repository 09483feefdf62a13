"""Settings: one table of all (`table`), how their values are written (`forms`), and the file of them (`file`).

The command line comes before the environment, the environment before the settings file, the file before the defaults.
What the file says becomes a variable of the platform's own processes, so that whoever reads a setting reads variables.
"""

from sagesmith.settings import table
from sagesmith.settings.file import VARIABLE, Settings, default_file, load
from sagesmith.settings.table import ALL, Setting, SettingError

__all__ = ["ALL", "VARIABLE", "Setting", "SettingError", "Settings", "default_file", "load", "table"]
