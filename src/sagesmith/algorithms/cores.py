"""All cores at work, where products are too small for a linear algebra library to share among them."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache


@cache
def pool() -> ThreadPoolExecutor:
    """A thread for each processor. What runs in it should be long in compiled code, which lets the others run."""
    return ThreadPoolExecutor(len(os.sched_getaffinity(0)), thread_name_prefix="sums")
