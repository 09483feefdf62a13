"""What a node may ask the cluster's control service (GCS) about itself."""


def own_node_id() -> str:
    """Ray's id of the node that this process is on."""
    import ray

    return str(ray.get_runtime_context().get_node_id())


def own_address() -> str:
    """The address by which the cluster's other machines know this node."""
    import ray

    return str(ray.util.get_node_ip_address())


def is_alive(node: str) -> bool:
    """Whether the cluster counts a node among the living.

    Raises:
        Exception: it cannot be asked.
    """
    import ray

    return any(each["NodeID"] == node and each["Alive"] for each in ray.nodes())
