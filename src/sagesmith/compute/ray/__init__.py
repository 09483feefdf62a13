"""Tasks placed by a Ray cluster.

Who does what, from the platform to the node:

* `backend.RayBackend` in the API process writes down what is wanted and reads what became of it: files, no more. It
  neither imports Ray nor waits for it.
* `driver` is a process of its own beside the API: Ray's runtime ends the process that it lives in when its raylet dies.
  It reserves a placement group a gang and starts a detached actor a task (`launching`), and copies report and output as
  they grow (`following`).
* `host.Host` is that actor: it runs the node agent on its node with the local backend, and keeps it under a lease.

Everything survives everything else: the wanted and the observed are files, actors and placement groups have names, an
agent's directory is on its node, and whoever comes back goes on where the files say.
"""
