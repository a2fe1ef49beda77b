#!/usr/bin/env python3
"""Tell what became of each memfd of luo_memfd_matrix and luo_memfd_seals.

usage: tests/rows.py RESULTS.KTAP [ROWS]

Reads what vmtest.sh wrote, writes a line for each memfd to ROWS, and prints how many
there are of each kind, what they have become, and whether that is what they were.
"""

import collections
import re
import sys

NAMES = ["SEAL", "SHRINK", "GROW", "WRITE", "FUTURE_WRITE", "EXEC"]
IMPLIED = {"SHRINK", "GROW", "WRITE", "FUTURE_WRITE"}


def describe(seals, mode):
    return " ".join([n for n in NAMES if n in seals] or ["unsealed"]) + " %04o" % mode


def seals_of(text):
    return {n for n in text.split() if n in NAMES}


def state(flags, noexec, add):
    """What memfd_create(2) and F_ADD_SEALS make, or None if they refuse to."""
    if not {"MFD_EXEC", "MFD_NOEXEC_SEAL"} & flags:
        flags = flags | {"MFD_NOEXEC_SEAL" if noexec else "MFD_EXEC"}
    if noexec == 2 and "MFD_NOEXEC_SEAL" not in flags:
        return None
    if "MFD_NOEXEC_SEAL" in flags:
        seals, mode = {"EXEC"}, 0o666
    else:
        seals, mode = set() if "MFD_ALLOW_SEALING" in flags else {"SEAL"}, 0o777
    if add and "SEAL" in seals:
        return None
    if "EXEC" in add and mode == 0o777:
        add = add | IMPLIED
    return seals | add, mode


def matrix(name, comments):
    """The memfds of a class: name, before, after."""
    match = re.match(r"(.*), (\d+) bytes, vm.memfd_noexec (\d) then (\d)", name)
    flags = set(match[1].split("|")) if match[1] != "no flags" else set()
    bad, now = {}, None
    for line in comments:
        if found := re.search(r"it is (.*) instead of (.*)$", line):
            now = found[1]
        elif found := re.search(r"retrieve: (.*)$", line):
            now = found[1]
        elif found := re.search(r"with these seals added: (.*) 0000$", line):
            bad[frozenset(seals_of(found[1]))] = now or "behaves otherwise"
            now = None
    for bits in range(1 << len(NAMES)):
        add = {n for i, n in enumerate(NAMES) if bits >> i & 1}
        before = state(flags, int(match[3]), add)
        if before:
            before = describe(*before)
            yield name + "; " + (describe(add, 0)[:-5]), before, bad.pop(frozenset(add), before)
    if bad:
        sys.exit("%s: results that nobody expects: %s" % (name, bad))


def rows(lines):
    comments = []
    for line in lines:
        line = line.strip()
        if line.startswith("#"):
            comments.append(line)
            continue
        match = re.match(r"(?:not )?ok \d+ (.*)", line)
        if not match:
            continue
        if match[1].endswith(": comes back with all sets of seals"):
            yield from matrix(match[1], comments)
        elif match[1].endswith(": comes back as it was"):
            name = match[1].removesuffix(": comes back as it was")
            found = re.search("; before: (.*); after: (.*)", comments[0] if comments else "")
            now = comments[0].partition("retrieve: ")[2] if comments else "lost"
            yield (name, found[1], found[2]) if found else (name, "?", now)
        comments = []


def kind(name, before):
    seals, mode = seals_of(before), before[-4:]
    if " that got " in name:
        return "sealed after it was preserved"
    if "EXEC" not in seals:
        return "without F_SEAL_EXEC"
    if mode == "0777":
        return "F_SEAL_EXEC, executable"
    if IMPLIED <= seals:
        return "F_SEAL_EXEC, not executable, all write seals"
    return "F_SEAL_EXEC, not executable"


def become(before, after):
    if before == after:
        return "as it was"
    what = []
    if before[-4:] != after[-4:]:
        what.append("executable" if after.endswith("0777") else "not executable")
    if seals_of(after) - seals_of(before):
        what.append("more seals")
    if seals_of(before) - seals_of(after):
        what.append("fewer seals")
    return ", ".join(what) or after


def main():
    count = collections.Counter()
    out = open(sys.argv[2], "w") if sys.argv[2:] else None
    for name, before, after in rows(open(sys.argv[1])):
        what = become(before, after)
        count[kind(name, before), what] += 1
        if out:
            print(name, before, after, what, sep="\t", file=out)
    for (what, result), number in sorted(count.items()):
        print("%-46s %5d  %s" % (what, number, result))


main()
