#!/usr/bin/env python3
"""Count what luo_memfd_matrix and luo_memfd_seals did not bring back as it was.

usage: tests/rows.py LOG

Reads what vmtest.sh printed, and prints how many memfds of each kind have become what.
"""

import collections
import re
import sys


def kind(before):
    if before == "?":
        return "any"
    if "EXEC" not in before:
        return "without F_SEAL_EXEC"
    if int(before[-4:], 8) & 0o111:
        return "F_SEAL_EXEC, executable"
    if "SHRINK GROW WRITE FUTURE_WRITE" in before:
        return "F_SEAL_EXEC, not executable, all write seals"
    return "F_SEAL_EXEC, not executable"


def become(before, after):
    if not re.search("[0-7]{4}$", after):
        return after or "behaves otherwise"
    was, now = set(re.findall("[A-Z_]+", before)), set(re.findall("[A-Z_]+", after))
    what = (("mode " + after[-4:], before[-4:] != after[-4:]), ("more seals", now - was),
            ("fewer seals", was - now))
    return ", ".join(text for text, true in what if true) or "behaves otherwise"


count, before, after = collections.Counter(), "?", ""
for line in open(sys.argv[1]):
    if found := re.search(r"it is (.*) instead of (.*)|()retrieve: (.*)", line):
        after, before = found[1] or found[4], found[2] or before
    elif found := re.search("; before: (.*); after: (.*)", line):
        before, after = found.groups()
    elif re.search("# wrong: .* plus ", line) or \
            re.search("^ *not ok ", line) and (before, after) != ("?", ""):
        count[kind(before), become(before, after)] += 1
    if re.search("^ *(not )?ok |# wrong: .* plus ", line):
        before, after = "?", ""
for (what, result), number in sorted(count.items()):
    print("%-46s %5d  %s" % (what, number, result))
