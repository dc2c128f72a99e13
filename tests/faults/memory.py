"""The memory of a server's processes, and the bytes they wrote, as the kernel counts them."""

from collections.abc import Iterator
from pathlib import Path


def megabytes(home: str) -> int:
    """The most memory that the server's processes ever had."""
    return sum(_number(pid, "status", "VmHWM:") for pid in _processes(_port(home))) // 1024


def megabytes_written(home: str) -> int:
    """The bytes that the server's processes have written, to files and sockets."""
    return sum(_number(pid, "io", "wchar:") for pid in _processes(_port(home))) // (1 << 20)


def _port(home: str) -> int:
    return int(home.rpartition(":")[2])


def _processes(port: int) -> Iterator[int]:
    """Yield the processes that listen on a port, by the socket's inode."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inodes = {f"socket:[{row[9]}]" for row in rows if int(row[1].rpartition(":")[2], 16) == port and row[3] == "0A"}
    for process in Path("/proc").glob("[0-9]*/fd"):
        try:
            if any(str(link.readlink()) in inodes for link in process.iterdir()):
                yield int(process.parent.name)
        except OSError:
            continue  # it is gone, or somebody else's


def _number(pid: int, file: str, name: str) -> int:
    lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))
