"""Several machines on one: hosts with networks of their own, and the servers that they share.

All of it is in a network and a process namespace of the test's own, which `isolate` enters. Servers listen on loopback there. A host is
a network namespace with one cable to a bridge. What it sends to its loopback arrives at that of the servers, so that servers need no other
addresses. Hosts share no folder.
"""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

NETWORK = "10.77.0."
GATEWAY = NETWORK + "1"
# All processes end with the first one of the namespace, and that one with `unshare`, even if they are killed.
UNSHARE = ["unshare", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"]
# Without it, the kernel drops packets from elsewhere to loopback.
ROUTE_LOOPBACK = ["sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1"]


def run(*command, seconds=60, **options):
    return subprocess.run(command, timeout=seconds, check=True, stdin=subprocess.DEVNULL, **options)


def output(*command, seconds=60, **options):
    return run(*command, seconds=seconds, stdout=subprocess.PIPE, text=True, **options).stdout.strip()


def isolate():
    """Runs this program again in a network of its own, and returns there. Here, it returns that one's exit code in the end; on SIGTERM
    and Ctrl-C, all that it has started is ended before."""
    if os.environ.pop("ISOLATED", None) is not None:
        return None
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    inner = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", *UNSHARE, sys.executable, *sys.argv], env={**os.environ, "ISOLATED": "1"},
        start_new_session=True)
    try:
        return inner.wait()
    finally:
        inner.kill()
        inner.wait()


def leave(number, _):
    raise SystemExit(128 + number)


def missing_right():
    """Why hosts cannot be created here; None if they can."""
    trial = " && ".join(["ip link add hosts type bridge", "iptables -t nat -L >/dev/null", " ".join(ROUTE_LOOPBACK)])
    try:
        result = subprocess.run([*UNSHARE, "sh", "-c", trial], capture_output=True, text=True, timeout=30, check=False)
    except OSError as error:
        return str(error)
    return None if result.returncode == 0 else result.stderr.strip().replace("\n", "; ")


def lay_cables():
    """Creates the bridge between the hosts and the servers."""
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "hosts", "type", "bridge")
    run("ip", "address", "add", GATEWAY + "/24", "dev", "hosts")
    run("ip", "link", "set", "hosts", "up")
    run(*ROUTE_LOOPBACK)
    redirect = ["--protocol", "tcp", "--jump", "DNAT", "--to-destination"]
    run("iptables", "-t", "nat", "-A", "PREROUTING", "--destination", GATEWAY, *redirect, "127.0.0.1")


class Program:
    """A process of the product, with a log of its own."""

    def __init__(self, command, folder, environment, log):
        self.log = pathlib.Path(log)
        self.read = 0
        with open(log, "wb") as out:
            # In a session of its own, Ctrl-C does not reach it.
            self.process = subprocess.Popen(
                command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)

    def lines(self):
        """The complete lines that were added since the last call."""
        with open(self.log, "rb") as file:
            file.seek(self.read)
            text = file.read()
        end = text.rfind(b"\n") + 1
        self.read += end
        return text[:end].decode("utf-8", "replace").splitlines()

    def is_stopped(self):
        stat = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text()
        return stat.rsplit(")", 1)[1].split()[0] == "T"

    def send(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait(30)

    def end(self, seconds=60):
        """Ends it as an operator would. Returns its exit code; None if it did not exit."""
        self.process.terminate()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None


class Host:
    """A machine with a network and a folder of its own, and one consumer."""

    def __init__(self, number, folder):
        self.name = f"host-{number}"
        self.folder = folder / self.name
        (self.folder / "tmp").mkdir(parents=True)
        self.starts = 0
        self.consumer = None
        # The namespace exists as long as a process in it.
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"], start_new_session=True)
        await_(lambda: os.readlink(f"/proc/{self.holder.pid}/ns/net") != os.readlink("/proc/self/ns/net"), 10, "a network")
        run("ip", "link", "add", self.name, "type", "veth", "peer", "name", "cable", "netns", str(self.holder.pid))
        run("ip", "link", "set", self.name, "master", "hosts", "up")
        for command in (
            ["ip", "link", "set", "lo", "up"],
            ["ip", "address", "add", f"{NETWORK}{number + 1}/24", "dev", "cable"],
            ["ip", "link", "set", "cable", "up"],
            ROUTE_LOOPBACK,
            ["iptables", "-t", "nat", "-A", "OUTPUT", "--destination", "127.0.0.1", "--protocol", "tcp", "--jump", "DNAT",
             "--to-destination", GATEWAY],
            ["iptables", "-t", "nat", "-A", "POSTROUTING", "--out-interface", "cable", "--jump", "MASQUERADE"],
        ):
            run(*self.enter, *command)

    @property
    def enter(self):
        return ["nsenter", "--target", str(self.holder.pid), "--net"]

    def start(self, program, environment):
        self.starts += 1
        self.consumer = Program(
            [*self.enter, program, "consumer"], self.folder, {**environment, "TMPDIR": str(self.folder / "tmp")},
            self.folder / f"consumer-{self.starts}.log")

    def go_on(self):
        self.consumer.send(signal.SIGCONT)

    def cut(self):
        run("ip", "link", "set", self.name, "down")

    def mend(self):
        run("ip", "link", "set", self.name, "up")


class Kafka:
    """A cluster of brokers that a script starts, kills and resumes."""

    def __init__(self, script, folder, nodes):
        self.script, self.nodes = script, nodes
        # Each thread of a broker would keep a buffer of the largest message, outside of the heap.
        self.environment = {
            **os.environ, "KAFKA_DIR": str(folder), "KAFKA_PORT": "0", "KAFKA_NODES": str(nodes),
            "JAVA_TOOL_OPTIONS": "-Djdk.nio.maxCachedBufferSize=1000000"}
        # Short sessions: what a consumer has had goes to others soon after it is killed.
        self.servers = self("start", "group.min.session.timeout.ms=1000", seconds=240)

    def __call__(self, *arguments, seconds=60):
        return output(self.script, *arguments, seconds=seconds, env=self.environment, stderr=subprocess.DEVNULL)

    def messages(self, topic):
        """How many messages a topic has; 0 if it does not exist."""
        if topic not in self("topics", "--list").split():
            return 0
        return sum(int(line.rsplit(":", 1)[1]) for line in self("get-offsets", "--topic", topic).split())

    def is_up(self, node):
        return listens(self.servers.split(",")[node - 1])

    def kill(self, node=None):
        self("kill", *([str(node)] if node else []))

    def resume(self, node):
        self("resume", str(node))


class Store:
    """An S3 store that a script starts, kills and resumes. Its data survive that."""

    bucket, key, secret = "images", "images", "images-secret"

    def __init__(self, script, folder, server):
        self.script, self.folder = script, folder
        self.environment = self.settings(folder, server)
        self.starting = None
        self.endpoint = output(script, "start", seconds=300, env=self.environment, stderr=subprocess.DEVNULL)

    @classmethod
    def settings(cls, folder, server):
        return {**os.environ, "S3_DIR": str(folder), "S3_PORT": "0", "S3_SERVER": server, "S3_BUCKET": cls.bucket}

    @classmethod
    def install(cls, script, folder, server):
        run(script, "install", seconds=900, env=cls.settings(folder, server), stdout=subprocess.DEVNULL)

    def is_up(self):
        if self.starting is not None and self.starting.poll() not in (None, 0):
            raise RuntimeError(f"the store did not start again; its logs are in {self.folder}")
        return (self.starting is None or self.starting.poll() == 0) and listens(self.endpoint.removeprefix("http://"))

    def kill(self):
        run(self.script, "kill", env=self.environment)

    def resume(self):
        """Begins to start it. It serves some seconds later."""
        with open(self.folder / "resume.log", "ab") as log:
            self.starting = subprocess.Popen(
                [self.script, "resume"], env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True)


def listens(address):
    host, port = address.rsplit(":", 1)
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, int(port))) == 0


def await_(condition, seconds, what, meanwhile=lambda: None):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s: {what}")
        meanwhile()
        time.sleep(0.02)
