"""A broker of a case's own, which it may stop and kill: Ringbrook's binary, or Apache Kafka when
the matrix runs against that. Against a broker that already runs there is none.
"""

import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import tempfile

from runner import claim

_CLIENTS = pathlib.Path(__file__).resolve().parent.parent
_KIND = os.environ.get("RINGBROOK_MATRIX_BROKER", "")
_STOP_S = 30


def is_available():
    """Whether this run of the matrix says which broker to start."""
    return _KIND in ("ringbrook", "kafka")


def own_broker():
    """A broker on a free port with an empty log dir; a context manager that starts it."""
    return _Kafka() if _KIND == "kafka" else _Ringbrook()


class _OwnBroker:
    def __init__(self):
        self._dir = pathlib.Path(tempfile.mkdtemp(prefix="ringbrook-clients-"))
        self.bootstrap = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self._dir)


class _Ringbrook(_OwnBroker):
    def __init__(self):
        super().__init__()
        self._process = None

    def start(self):
        """Starts the broker, again with the port and the data it had before."""
        repo = _CLIENTS.parent.parent
        binary = os.environ.get("RINGBROOK_BIN", repo / "target/release/ringbrook")
        overrides = (
            f"listeners=PLAINTEXT://{self.bootstrap or '127.0.0.1:0'}",
            "node.id=1",
            "offsets.topic.num.partitions=4",
            "transaction.state.log.num.partitions=4",
            "group.initial.rebalance.delay.ms=0",
        )
        command = [binary, "--data-dir", self._dir / "data"]
        command += [word for override in overrides for word in ("--override", override)]
        with open(self._dir / "broker.log", "ab") as log:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        # The first line names the addresses; it is written when they are served.
        banner = self._process.stdout.readline().decode()
        address = re.search(r"PLAINTEXT://([0-9.]+:[0-9]+)", banner)
        claim(address, f"the broker did not start: {banner!r}")
        self.bootstrap = address.group(1)

    def stop(self):
        """Stops the broker as an operator would."""
        self._process.terminate()
        claim(self._process.wait(_STOP_S) == 0, "the broker did not stop well")

    def kill(self):
        """Kills the broker with SIGKILL."""
        self._process.kill()
        self._process.wait()


class _Kafka(_OwnBroker):
    def start(self):
        """Starts the node, again with the port and the data it had before."""
        environment = {**os.environ, "KAFKA_AGAIN": "1"}
        # Its output goes to files: the node inherits them, and a pipe would stay open with it.
        with open(self._dir / "port", "wb") as port, open(self._dir / "start.log", "wb") as log:
            command = [_CLIENTS / "kafka/start", self._dir]
            subprocess.run(command, stdout=port, stderr=log, env=environment, check=True)
        self.bootstrap = f"127.0.0.1:{(self._dir / 'port').read_text().strip()}"

    def stop(self):
        """Stops the node as an operator would."""
        subprocess.run([_CLIENTS / "kafka/stop", self._dir], check=True)

    def kill(self):
        """Kills the node with SIGKILL."""
        pid_file = self._dir / "pid"
        if pid_file.exists():
            pid = int(pid_file.read_text())
            os.kill(pid, signal.SIGKILL)
            _await_end(pid)
            pid_file.unlink()


def _await_end(pid):
    """Waits for the end of a process that is not our child."""
    handle = os.pidfd_open(pid)
    try:
        claim(select.select([handle], [], [], _STOP_S)[0], f"process {pid} does not end")
    finally:
        os.close(handle)
