"""A network between this namespace and another one that loses and delays packets.

lossy_link.py PID DEVICE PEER LOSS DELAY

DEVICE is made here, PEER in the network namespace of process PID. LOSS is the fraction of packets that are lost,
from 0 to 1, DELAY the delay of each in milliseconds. Prints "ready" when both devices exist, and runs until it is
ended.
"""

import contextlib
import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import sys
import time

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA  # linux/if_tun.h
IFF_TUN_NO_PI = 0x0001 | 0x1000
LARGEST_PACKET = 65536


def make_device(name):
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN_NO_PI))
    return descriptor


def enter(path):
    libc = ctypes.CDLL(None, use_errno=True)
    with open(path) as namespace:
        if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")


def forward(ends, loss, delay):
    """Passes packets from each end to the other."""
    under_way = []
    count = 0
    while True:
        wait = max(0, under_way[0][0] - time.monotonic()) if under_way else None
        for descriptor in select.select(ends, [], [], wait)[0]:
            packet = os.read(descriptor, LARGEST_PACKET)
            if random.random() >= loss:
                count += 1
                other = ends[1] if descriptor == ends[0] else ends[0]
                heapq.heappush(under_way, (time.monotonic() + delay, count, other, packet))
        while under_way and under_way[0][0] <= time.monotonic():
            _, _, end, packet = heapq.heappop(under_way)
            # Where the device is down, or takes no more, one more packet is lost.
            with contextlib.suppress(OSError):
                os.write(end, packet)


def main():
    pid, device, peer, loss, delay = sys.argv[1:]
    here = make_device(device)
    enter(f"/proc/{pid}/ns/net")
    there = make_device(peer)
    print("ready", flush=True)
    forward([here, there], float(loss), float(delay) / 1000)


main()
