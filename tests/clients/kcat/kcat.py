"""Runs kcat and parses what it prints.

`consume` uses a format with the length of every field in front, so that null (-1), empty and
binary keys and values are told apart.
"""

import json
import re
import subprocess
import tempfile
import threading

from records import Record, Stored
from runner import Claim, claim

TIMEOUT_S = 30
FORMAT = "%p %o %T %K %S\\n%k%s%h\\n"


def command(bootstrap, *arguments):
    """The words that run kcat."""
    return ["kcat", "-b", bootstrap, "-m", "20", *arguments]


def attempt(bootstrap, *arguments, stdin=b""):
    """Runs kcat to its end: (exit code, stdout, stderr as text)."""
    words = command(bootstrap, *arguments)
    done = subprocess.run(words, input=stdin, capture_output=True, timeout=TIMEOUT_S, check=False)
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")


def kcat(bootstrap, *arguments, stdin=b""):
    """Runs kcat, claims that it succeeds, and returns its standard output."""
    code, stdout, stderr = attempt(bootstrap, *arguments, stdin=stdin)
    claim(code == 0, f"kcat {' '.join(arguments)} exited with {code}: {stderr}")
    return stdout


def claim_fails(bootstrap, *arguments, saying, stdin=b""):
    """Claims that kcat fails and that its complaint contains `saying`."""
    code, stdout, stderr = attempt(bootstrap, *arguments, stdin=stdin)
    claim(code != 0, f"kcat {' '.join(arguments)} succeeded and printed {stdout!r:.200}")
    claim(saying in stderr, f"expected a complaint with {saying!r}, found {stderr!r}")


def send_files(bootstrap, topic, values, *arguments):
    """Produces each of `values` as one message, byte for byte, by kcat's one-file-per-message."""
    with tempfile.TemporaryDirectory() as directory:
        paths = []
        for index, value in enumerate(values):
            paths.append(f"{directory}/{index}")
            with open(paths[-1], "wb") as file:
                file.write(value)
        kcat(bootstrap, "-P", "-t", topic, *arguments, *paths)


def consume(bootstrap, topic, *arguments):
    """Consumes with the given arguments up to the end (-e) and returns a list of `Stored`."""
    output = kcat(bootstrap, "-C", "-t", topic, "-e", "-q", "-f", FORMAT, *arguments)
    return parse(output)


def parse(output):
    """The records in the output of a consumer that printed `FORMAT`."""
    found, position = [], 0
    while position < len(output):
        line_end = output.index(b"\n", position)
        numbers = output[position:line_end].split()
        partition, offset, timestamp, key_bytes, value_bytes = (int(n) for n in numbers)
        position = line_end + 1
        key, position = _field(output, position, key_bytes)
        value, position = _field(output, position, value_bytes)
        line_end = output.index(b"\n", position)
        headers = _headers(output[position:line_end])
        position = line_end + 1
        found.append(Stored(offset, Record(key, value, headers, timestamp, partition)))
    return found


def _field(output, position, length):
    if length < 0:
        return None, position
    return output[position : position + length], position + length


def _headers(printed):
    """kcat prints name=value,name=value and NULL for a null value."""
    if not printed:
        return ()
    pairs = (pair.split(b"=", 1) for pair in printed.split(b","))
    return tuple((name.decode(), None if value == b"NULL" else value) for name, value in pairs)


def metadata(bootstrap, *arguments):
    """The decoded output of `kcat -L -J`."""
    return json.loads(kcat(bootstrap, "-L", "-J", *arguments))


class GroupMember:
    """`kcat -G`: a member of a consumer group that runs until it is closed."""

    def __init__(self, bootstrap, group, topic, *arguments):
        words = command(bootstrap, *arguments, "-u", "-f", FORMAT, "-G", group, topic)
        words.insert(1, "-Xauto.offset.reset=earliest")
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._output, self._log = bytearray(), []
        self._readers = [
            threading.Thread(target=self._read_output, daemon=True),
            threading.Thread(target=self._read_log, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read_output(self):
        while chunk := self._process.stdout.read1(65536):
            self._output += chunk

    def _read_log(self):
        for line in self._process.stderr:
            self._log.append(line.decode(errors="replace"))

    def log(self):
        """What kcat has said so far."""
        return "".join(self._log)

    def rebalances(self):
        """Every rebalance kcat has reported: (is it an assignment, set of partitions). The eager
        protocol reports "(...): assigned: t [0], t [1]", the cooperative one "incremental
        assignment of 2 partition(s) (...): t [0], t [1]"."""
        found = []
        for line in self._log:
            if " rebalanced" in line:
                event = line.split(" rebalanced", 1)[1]
                is_assignment = "assigned:" in event or "assignment of" in event
                found.append((is_assignment, {int(p) for p in re.findall(r"\[(\d+)\]", event)}))
        return found

    def assignment(self):
        """The partitions this member owns now."""
        owned = set()
        for is_assignment, partitions in self.rebalances():
            owned = owned | partitions if is_assignment else owned - partitions
        return owned

    def values(self):
        """The values received so far; an incomplete last record is left out."""
        complete = bytes(self._output)
        while complete:
            try:
                return [entry.record.value for entry in parse(complete)]
            except ValueError:
                complete = complete[: complete.rstrip(b"\n").rfind(b"\n") + 1]
        return []

    def close(self):
        """Ends kcat as a terminal would; it leaves the group (a static member does not)."""
        self._process.terminate()
        try:
            code = self._process.wait(20)
        except subprocess.TimeoutExpired as error:
            self._process.kill()
            raise Claim("kcat did not end within 20 s of SIGTERM") from error
        for reader in self._readers:
            reader.join(5)
        claim(code == 0, f"kcat -G exited with {code}: {self.log()}")
