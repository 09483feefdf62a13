"""What user code reaches over a network, and what it does not: as root and as an ordinary user."""

import contextlib
import ipaddress
import os
import socket
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from sagesmith.agent.network import namespaces, outside
from sagesmith.agent.network.gang import DIRECTORY
from sagesmith.agent.network.netlink import Netlink
from sagesmith.compute.base import TaskSpec
from sagesmith.hosts import TASKS_SOURCE_ADDRESS
from tests.integration.agent.conftest import NOBODY, OrdinaryUser, Tasks

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

# Says for every `host:port` whether it can be connected to.
KNOCK = """
import socket, sys
for place in sys.argv[1:]:
    host, port = place.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=30).close()
        print(port, "open", flush=True)
    except OSError as error:
        print(port, "closed", flush=True)
"""

# Two of it talk over one port on both hosts: each listens, says its name to the other, and prints what it was told.
MEET = """
import os, socket, subprocess, threading, time
own = os.environ["CURRENT_HOST"]
other = {"algo-1": "algo-2", "algo-2": "algo-1"}[own]
server = socket.create_server((own, 7777))
def greet():
    while True:
        try:
            with socket.create_connection((other, 7777), timeout=30) as connection:
                connection.sendall(own.encode())
                return
        except ConnectionRefusedError:
            time.sleep(0.01)
thread = threading.Thread(target=greet)
thread.start()
told, peer = server.accept()
print("met", told.recv(100).decode(), peer[0] == socket.gethostbyname(other), socket.gethostname(), flush=True)
thread.join()
"""


# Two of it fetch a page from each other with a client that heeds proxies, as TensorFlow's and requests' do.
FETCH = """
import http.server, os, threading, time, urllib.error, urllib.request
other = {"algo-1": "algo-2", "algo-2": "algo-1"}[os.environ["CURRENT_HOST"]]
server = http.server.HTTPServer(("", 8080), http.server.SimpleHTTPRequestHandler)
thread = threading.Thread(target=server.handle_request)
thread.start()
while True:
    try:
        print("answered", urllib.request.urlopen(f"http://{other}:8080/").status, flush=True)
        break
    except urllib.error.URLError as error:
        assert isinstance(error.reason, ConnectionRefusedError), error
        time.sleep(0.01)
thread.join()
"""


@contextlib.contextmanager
def listening(answer: bytes = b"") -> Iterator[tuple[int, list[str]]]:
    """A server on this machine's loopback that says something to all comers; its port, and where they came from."""
    seen: list[str] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, peer = server.accept()
                seen.append(peer[0])
                with connection, contextlib.suppress(OSError):
                    connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], seen
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def gang_of(tasks: Tasks, name: str, script: str, **changes: object) -> list[TaskSpec]:
    hosts = ["algo-1", "algo-2"]
    spec = tasks.spec(name, ["python", "-c", script], **changes)
    return [
        replace(spec, id=f"{name}-{host}", label=f"{name}-{host}", gang=name, hosts=hosts, host=host) for host in hosts
    ]


def test_user_code_reaches_the_doors_of_the_platform_and_no_other_port_of_this_machine(tasks: Tasks) -> None:
    with listening(b"hello") as (door, seen), listening() as (inner, strangers):
        places = [f"127.0.0.1:{door}", f"localhost:{door}", f"127.0.0.1:{inner}", f"127.0.0.2:{inner}"]
        script = f"{KNOCK}\nprint(socket.create_server(('', 80)).getsockname()[1])"
        tasks.run("knock", ["python", "-c", script, *places], doors=[f"127.0.0.1:{door}"])
        assert tasks.lines("knock") == [f"{door} open", f"{door} open", f"{inner} closed", f"{inner} closed", "80"]
        assert set(seen) == {TASKS_SOURCE_ADDRESS}
        assert strangers == []


def test_an_isolated_task_reaches_no_door_either(tasks: Tasks) -> None:
    with listening() as (door, seen):
        places = ["python", "-c", KNOCK, f"127.0.0.1:{door}"]
        tasks.run("isolated", places, doors=[f"127.0.0.1:{door}"], network_isolation=True)
        assert tasks.lines("isolated") == [f"{door} closed"]
        assert seen == []


def test_a_listener_of_one_job_is_not_there_for_another(tasks: Tasks) -> None:
    server = (
        "import socket; s = socket.create_server(('0.0.0.0', 7777)); a = socket.socket(socket.AF_UNIX);"
        "a.bind('\\0meeting'); a.listen(); print('ready', flush=True); s.accept(); print('stranger', flush=True)"
    )
    client = (
        "import socket\n"
        "for family, place in ((socket.AF_INET, ('127.0.0.1', 7777)), (socket.AF_INET, ('198.18.0.1', 7777)),"
        " (socket.AF_UNIX, '\\0meeting')):\n"
        "    print(socket.socket(family).connect_ex(place))"
    )
    tasks.start("server", ["python", "-c", server])
    tasks.wait_for_line("server", "ready")
    tasks.run("client", ["python", "-c", client])
    assert tasks.lines("client") == ["111", "111", "111"]
    assert tasks.lines("server") == ["ready"]


def test_what_goes_through_a_door_arrives_whole_whoever_closes_first(tasks: Tasks) -> None:
    size = 50 << 20
    received: list[int] = []

    def serve(server: socket.socket) -> None:
        # Takes all, then answers as much: a program may end its half of a connection and still listen.
        connection, _ = server.accept()
        with connection:
            total = 0
            while piece := connection.recv(1 << 20):
                total += len(piece)
            received.append(total)
            connection.sendall(bytes(size))

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        port = server.getsockname()[1]
        script = (
            "import socket, time\n"
            f"s = socket.create_connection(('127.0.0.1', {port}))\n"
            f"s.sendall(bytes({size})); s.shutdown(socket.SHUT_WR); total = 0\n"
            "while piece := s.recv(1 << 16): total += len(piece)\n"
            "print(total)"
        )
        tasks.run("echo", ["python", "-c", script], doors=[f"127.0.0.1:{port}"])
    assert tasks.lines("echo") == [str(size)]
    assert received == [size]


def test_a_door_with_nobody_behind_it_resets_the_connection(tasks: Tasks) -> None:
    with listening() as (port, _):
        pass
    script = (
        "import socket\n"
        f"connection = socket.create_connection(('127.0.0.1', {port}))\n"
        "try: print(connection.recv(1))\n"
        "except ConnectionResetError: print('reset')"
    )
    tasks.run("nobody", ["python", "-c", script], doors=[f"127.0.0.1:{port}"])
    assert tasks.lines("nobody") == ["reset"]


def test_more_connections_than_the_agent_may_have_wait_for_each_other(tasks: Tasks) -> None:
    with listening(b"x") as (port, seen):
        script = (
            "import socket\n"
            "for _ in range(3):\n"
            f"    many = [socket.create_connection(('127.0.0.1', {port})) for _ in range(400)]\n"
            "    assert all(each.recv(1) == b'x' for each in many)\n"
            "    for each in many: each.close()\n"
            "print('done')"
        )
        tasks.run("many", ["python", "-c", script], doors=[f"127.0.0.1:{port}"])
        assert tasks.lines("many") == ["done"]
        assert len(seen) == 1200


def test_every_host_has_the_interface_that_resourceconfig_names(tasks: Tasks) -> None:
    script = (
        "import json, fcntl, socket, struct\n"
        "config = json.load(open('/opt/ml/input/config/resourceconfig.json'))\n"
        "name = config['network_interface_name'].encode()\n"
        "asking = socket.socket()\n"
        "asked = fcntl.ioctl(asking.fileno(), 0x8915, struct.pack('256s', name))\n"
        "print(socket.inet_ntoa(asked[20:24]), socket.gethostbyname(config['current_host']))"
    )
    tasks.run("interface", ["python", "-c", script])
    assert tasks.lines("interface") == ["198.18.0.1 198.18.0.1"]


def test_a_name_that_nobody_knows_is_refused_without_waiting(tasks: Tasks) -> None:
    script = (
        "import socket, time\nstarted = time.monotonic()\n"
        "try: socket.getaddrinfo('example.com', 80)\n"
        "except socket.gaierror: print('unknown', time.monotonic() - started < 4)"
    )
    tasks.run("names", ["python", "-c", script], network_isolation=True)
    assert tasks.lines("names") == ["unknown True"]


def test_hosts_of_a_job_reach_each_other_by_name_on_one_port_and_two_jobs_do_not_meet(tasks: Tasks) -> None:
    jobs = [gang_of(tasks, name, MEET) for name in ("first", "second")]
    for specs in jobs:
        tasks.backend.start(specs)
    for specs in jobs:
        for spec, other in zip(specs, reversed(specs), strict=True):
            seen = tasks.wait(spec.id, lambda seen: seen.ended)
            assert seen.events[-1].state == "Completed", tasks.lines(spec.id)
            assert tasks.lines(spec.id) == [f"met {other.host} True {spec.host}"]
    assert not list((tasks.data / "tasks" / DIRECTORY).iterdir())


def test_programs_that_heed_proxies_reach_the_other_hosts_without_one(tasks: Tasks) -> None:
    proxied = {"http_proxy": "http://proxy.invalid:3128", "no_proxy": "localhost"}
    specs = gang_of(tasks, "fetch", FETCH, environment=proxied)
    tasks.backend.start(specs)
    for spec in specs:
        tasks.wait(spec.id, lambda seen: seen.ended)
        assert "answered 200" in tasks.lines(spec.id)


def test_hosts_of_an_isolated_job_reach_each_other_and_nothing_else(tasks: Tasks) -> None:
    with listening() as (door, seen):
        script = MEET + f"print(socket.socket().connect_ex(('127.0.0.1', {door})))"
        specs = gang_of(tasks, "isolated", script, network_isolation=True, doors=[f"127.0.0.1:{door}"])
        tasks.backend.start(specs)
        for spec, other in zip(specs, reversed(specs), strict=True):
            tasks.wait(spec.id, lambda seen: seen.ended)
            assert tasks.lines(spec.id) == [f"met {other.host} True {spec.host}", "111"]
        assert seen == []


def networks(pids: Iterable[str]) -> set[str]:
    """The network namespaces that processes are in or hold by a descriptor: without either one is gone."""
    found = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            found.add(os.readlink(f"/proc/{pid}/ns/net"))
            found |= {os.readlink(f"/proc/{pid}/fd/{each}") for each in os.listdir(f"/proc/{pid}/fd")}
    return {each for each in found if each.startswith("net:")}


def test_a_gang_whose_agents_were_killed_leaves_nothing(tasks: Tasks) -> None:
    specs = gang_of(tasks, "doomed", "import time; print('ready', flush=True); time.sleep(600)")
    tasks.backend.start(specs)
    agents = [tasks.wait_for_line(spec.id, "ready").processes[0].pid for spec in specs]
    theirs = networks(map(str, agents)) - networks(["self"])
    assert len(theirs) == 3
    holders = [each for each in psutil.process_iter() if networks([str(each.pid)]) & theirs]
    for spec in specs:
        tasks.backend.kill(spec.id)
        tasks.backend.forget(spec.id)
    psutil.wait_procs(holders)
    assert not list((tasks.data / "tasks" / DIRECTORY).iterdir())


@contextlib.contextmanager
def another_machine() -> Iterator[tuple[str, int, str]]:
    """A machine beside this one: its address, a port that it listens on, and this machine's address on that side."""
    here, there = ipaddress.ip_address("203.0.113.1"), ipaddress.ip_address("203.0.113.2")

    def make() -> list[int]:
        ours = os.open("/proc/self/ns/net", os.O_RDONLY)
        theirs = namespaces.new_network_namespace()
        namespaces.enter_network(ours)
        with Netlink() as links:
            links.add_veth("sagesmith-test", "eth0", peer_namespace=theirs)
            links.add_address("sagesmith-test", here, 30)
        namespaces.enter_network(theirs)
        with Netlink() as links:
            links.add_address("eth0", there, 30)
            links.up("eth0")
        return [theirs, socket.create_server((str(there), 0)).detach()]

    namespace, listener = namespaces.in_child(make)
    try:
        with socket.socket(fileno=listener) as server:
            yield str(there), server.getsockname()[1], str(here)
    finally:
        os.close(namespace)


def pasta_works_here() -> bool:
    return outside.pasta() is not None and Path("/proc/net/route").read_text().count("\t00000000\t") > 0


@as_root
@pytest.mark.skipif(not pasta_works_here(), reason="pasta (package passt) is not installed, or no route leads anywhere")
def test_where_pasta_is_tasks_reach_other_machines_and_still_not_this_one(tasks: Tasks) -> None:
    with another_machine() as (there, port, here), socket.create_server(("", 0)) as inner:
        places = [f"{there}:{port}", *(f"{each}:{inner.getsockname()[1]}" for each in (here, "127.0.0.1"))]
        tasks.run("outside", ["python", "-c", KNOCK, *places])
        assert [line.split()[1] for line in tasks.lines("outside")] == ["open", "closed", "closed"]
        # What it says to others is where they find it, not this machine's address.
        script = f"import socket; print(socket.create_connection(('{there}', {port})).getsockname()[0])"
        tasks.run("address", ["python", "-c", script])
        assert tasks.lines("address") == ["198.18.0.1"]
        tasks.run("isolated", ["python", "-c", KNOCK, places[0]], network_isolation=True)
        assert tasks.lines("isolated") == [f"{port} closed"]


@as_root
@pytest.mark.skipif(not pasta_works_here(), reason="pasta (package passt) is not installed, or no route leads anywhere")
def test_a_killed_agent_takes_pasta_with_it(tasks: Tasks) -> None:
    tasks.start("killed", "echo ready; sleep 600")
    agent = psutil.Process(tasks.wait_for_line("killed", "ready").processes[0].pid)
    (carrier,) = [each for each in agent.children() if each.name().startswith("pas")]
    agent.kill()
    psutil.wait_procs([carrier])


@as_root
def test_an_ordinary_users_tasks_have_the_same_network(tasks: Tasks, nobody: OrdinaryUser) -> None:
    with listening(b"hello") as (door, _), listening() as (inner, strangers):
        places = [f"127.0.0.1:{door}", f"127.0.0.1:{inner}"]
        script = f"{KNOCK}\nprint(socket.create_server(('', 80)).getsockname()[1])"
        spec = tasks.spec("knock", ["python", "-c", script, *places], doors=[f"127.0.0.1:{door}"])
        (ran,) = nobody.run([spec])
        assert ran.lines == [f"{door} open", f"{inner} closed", "80"]
        assert strangers == []


@as_root
def test_a_task_whose_network_cannot_be_made_fails_with_a_way_to_mend_it(tasks: Tasks, nobody: OrdinaryUser) -> None:
    forbid = 'echo 0 > /proc/sys/user/max_net_namespaces && exec "$0" "$@"'
    (ran,) = nobody.run([tasks.spec("forbidden", "echo never")], ["unshare", "--map-root-user", "sh", "-c", forbid])
    reason = ran.events[-1]["detail"]["failure_reason"]
    assert reason.startswith("InternalServerError: the network of the task cannot be made: could not make a network")
    assert "/proc/sys/user" in reason
    assert "--cap-add SYS_ADMIN" in reason
    assert ran.lines == []


@as_root
def test_the_hosts_of_an_ordinary_users_job_meet(tasks: Tasks, nobody: OrdinaryUser) -> None:
    script = MEET + "print(os.getuid())"
    one, two = nobody.run(gang_of(tasks, "gang", script))
    assert one.lines == ["met algo-2 True algo-1", str(NOBODY)]
    assert two.lines == ["met algo-1 True algo-2", str(NOBODY)]


@as_root
def test_the_hosts_of_an_ordinary_users_job_meet_over_what_carries_their_frames(
    tasks: Tasks, nobody: OrdinaryUser
) -> None:
    takers, wires = zip(*(socket.socketpair() for _ in range(2)), strict=True)

    def take(taker: socket.socket) -> socket.socket:
        _, (end,), _, _ = socket.recv_fds(taker, 1, 1)
        return socket.socket(fileno=end)

    def carry() -> None:
        first, second = (take(each) for each in takers)
        with first, second:
            for one, other in ((first, second), (second, first)):
                threading.Thread(target=carry_one_way, args=(one, other), daemon=True).start()
            carried.wait()

    def carry_one_way(one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                other.send(one.recv(1 << 17))

    carried = threading.Event()
    carrying = threading.Thread(target=carry)
    carrying.start()
    one, two = nobody.run(gang_of(tasks, "wired", MEET), wires=wires)
    carried.set()
    carrying.join()
    assert one.lines == ["met algo-2 True algo-1"], one.events
    assert two.lines == ["met algo-1 True algo-2"], two.events


@as_root
@pytest.mark.parametrize("as_user", [False, True])
def test_user_code_cannot_change_its_network_or_enter_another(
    tasks: Tasks, nobody: OrdinaryUser, as_user: bool
) -> None:
    script = (
        "import ctypes, os\n"
        "libc = ctypes.CDLL(None)\n"
        "print([libc.setns(os.open(f'/proc/{each}/ns/net', os.O_RDONLY), 0) for each in os.listdir('/proc')"
        " if each.isdigit() and os.access(f'/proc/{each}/ns/net', os.R_OK)])\n"
        "libc.unshare(0x10000000)\n"
        "print(os.system('ip link set eth0 down 2>/dev/null; grep -q eth0 /proc/net/route') == 0)"
    )
    spec = tasks.spec(f"evil-{as_user}", ["python", "-c", script])
    if as_user:
        lines = nobody.run([spec])[0].lines
    else:
        tasks.backend.start([spec])
        tasks.wait(spec.id, lambda seen: seen.ended)
        lines = tasks.lines(spec.id)
    assert set(lines[0].strip("[]").split(", ")) == {"-1"}
    assert lines[1] == "True"
