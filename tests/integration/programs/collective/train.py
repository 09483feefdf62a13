"""Each rank adds up what all of them have."""

import socket

from mpi4py import MPI

world = MPI.COMM_WORLD
print(f"rank {world.rank} of {world.size} on {socket.gethostname()}: sum {world.allreduce(world.rank + 1)}", flush=True)
