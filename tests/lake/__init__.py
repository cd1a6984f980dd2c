"""Export of the lake under random schedules of commits, crashes and outages: python -m tests.lake"""

import local  # noqa: F401  # puts the functions and the layer on the path, as on Lambda
