#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Make kernel images for the gate "images": changed, damaged, or packed in other ways.

usage: images.py BZIMAGE UNPACKED DIRECTORY

UNPACKED is the payload of BZIMAGE before it was compressed. DIRECTORY gets the files.
"""

import struct
import subprocess
import sys

IMAGE, UNPACKED = (open(path, "rb").read() for path in sys.argv[1:3])
DIRECTORY = sys.argv[3]
TOOLS = {"gzip": ["gzip", "-1"], "zstd": ["zstd", "-1", "-q"], "lz4": ["lz4", "-l", "-q", "-", "-"],
         "xz": ["xz", "-0", "--check=crc32"], "lzma": ["xz", "-0", "--format=lzma"],
         "bzip2": ["bzip2", "-1"], "lzop": ["lzop", "-1"]}


def pack(data, tool):
    return subprocess.run(TOOLS[tool], input=data, stdout=subprocess.PIPE, check=True).stdout


def write(name, data):
    with open(f"{DIRECTORY}/{name}", "wb") as file:
        file.write(data)


def bzimage(data, tool="gzip"):
    """Return BZIMAGE with another payload."""
    payload = pack(data, tool)
    if tool != "gzip":
        payload += struct.pack("<I", len(data))
    start = (IMAGE[0x1f1] + 1) * 512 + struct.unpack("<I", IMAGE[0x248:0x24c])[0]
    head = bytearray(IMAGE[:start])
    head[0x24c:0x250] = struct.pack("<I", len(payload))
    return bytes(head) + payload + bytes(512)


def changed(old, new):
    assert len(old) == len(new) and old in UNPACKED, old
    return bzimage(UNPACKED.replace(old, new))


for packer in TOOLS:
    write(packer, bzimage(UNPACKED, packer))
write("kho-v4", changed(b"\0kho-v1\0", b"\0kho-v4\0"))
write("no-luo", changed(b"\0luo-v1\0", b"\0luo-v1-"))
write("session-v3", changed(b"\0luo-session-v2\0", b"\0luo-session-v3\0"))
write("memfd-v3", changed(b"memfd-v2\0", b"memfd-v3\0"))
write("memfd-v20", changed(b"memfd-v2\0", b"memfd-v20"))
write("text-only", changed(b"memfd-v2\0\0", b"memfd-v2\0."))    # in no field of a handler
write("no-hugetlb", changed(b"memfd-hugetlb-v1\0", b"memfd-hugetlb-v3\0"))
write("no-thp", changed(b"transparent_hugepage", b"transparent_hugePAGE"))
write("no-flags", changed(b"flags %#x do not give", b"flags %#x do not GIVE"))
write("other-machine", bzimage(UNPACKED[:18] + b"\xb7\0" + UNPACKED[20:]))

# What a boot loader of arm64 takes: the kernel itself, with gzip, or with EFI zboot.
arm64 = bytes(56) + b"ARM\x64" + bytes(4) + UNPACKED
zboot = pack(arm64, "zstd")
write("Image", arm64)
write("Image.gz", pack(arm64, "gzip"))
write("zboot", b"MZ\0\0zimg" + struct.pack("<IIII", 4096, len(zboot), 0, 0) + b"zstd" +
      bytes(4096 - 28) + zboot + struct.pack("<I", len(arm64)))

middle = len(IMAGE) // 2
write("bit", IMAGE[:middle] + bytes([IMAGE[middle] ^ 1]) + IMAGE[middle + 1:])
write("cut", IMAGE[:middle])
write("size", bzimage(UNPACKED, "zstd")[:-516] + b"\1" + bytes(515))
write("header", IMAGE[:1024])
write("empty", b"")
