#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run the host of scripts/demo, tell it when to go on, judge and draw what happened.

usage: watch.py DIRECTORY SVG COMMAND...

The command is QEMU, with HOST_FD and GUEST_FD for the sockets of the two ports. Each
line gets the time at which it came, by the clock of this machine. DIRECTORY has the
guest program, which knows what the guest must print; events.log is written there.
Exits with 0 only if the guest did not lose, repeat or change a line, and wrote some
in the second kernel.
"""

import selectors
import socket
import subprocess
import sys
import time

LINES = 20    # that the guest writes in each kernel, at least
BEFORE = "luvm: guest: memory preserved"    # said while the guest runs
PHASES = [    # what luvm and init say, in this order, and what has ended then
    ("luvm: guest: guest stopped", None, "guest stopped"),
    ("luvm: guest: state saved", "#4e79a7", "device state saved"),
    ("luvm: guest: preserved", "#76b7b2", "all preserved"),
    ("kexec", "#bab0ac", "kexec called"),
    ("kernel up: ", "#e15759", "new kernel up"),
    ("luvm: guest: session retrieved", "#f28e2b", "session retrieved"),
    ("luvm: guest: checked", "#edc948", "seals and sums checked"),
    ("luvm: guest: QEMU started", "#b07aa1", "QEMU started"),
    ("luvm: guest: state loaded", "#9c755f", "device state loaded"),
    ("luvm: guest: guest running", "#59a14f", "guest running"),
]


def watch(command, log):
    """Write to @log and return what came as (seconds, port, line), and how QEMU ended."""
    ports = {name: socket.socketpair() for name in ("host", "guest")}
    fds = {name.upper() + "_FD": pair[1].fileno() for name, pair in ports.items()}
    for name, number in fds.items():
        command = [word.replace(name, str(number)) for word in command]
    qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=list(fds.values()))
    selector = selectors.DefaultSelector()
    for name, pair in ports.items():
        pair[1].close()
        selector.register(pair[0], selectors.EVENT_READ, name)
    host = ports["host"][0]
    events, rest, count, waiting = [], {"host": b"", "guest": b""}, 0, True

    while selector.get_map():
        for key, _ in selector.select():
            now = time.monotonic()
            try:
                data = key.fileobj.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                selector.unregister(key.fileobj)
            *lines, rest[key.data] = (rest[key.data] + data).split(b"\n")
            for line in lines:
                text = line.decode(errors="replace").rstrip("\r")
                events.append((now, key.data, text))
                print(f"{now - events[0][0]:9.3f} {key.data} {text}", file=log, flush=True)
                if key.data == "host":
                    print(f"  {text}", flush=True)
                    if text.startswith("kernel up: "):
                        count, waiting = 0, True
                else:
                    count += 1
                    if waiting and count >= LINES:
                        host.send(b"go on\n")
                        waiting = False
    return events, qemu.wait()


def judge(events, status, directory):
    """Return what is wrong, or None."""
    said = [text for _, port, text in events if port == "host"]
    for i, text in enumerate(said):
        if text.startswith("failed: "):
            known = [BEFORE] + [phase[0] for phase in PHASES]
            why = [line for line in said[:i] if line not in known and line.startswith("luvm: ")]
            return f"{text}: {why[0]}" if why else text
    if status:
        return f"QEMU ended with {status}"
    if said[-1:] != ["end"]:
        return "the host did not come to its end"
    ups = [i for i, event in enumerate(events) if event[2].startswith("kernel up: ")]
    if len(ups) != 2:
        return f"{len(ups)} kernels came up, not 2"
    lines = [text for _, port, text in events if port == "guest"]
    after = [text for _, port, text in events[ups[1]:] if port == "guest"]
    if len(after) < LINES:
        return f"the guest wrote {len(after)} lines in the new kernel, not {LINES}"
    right = subprocess.run([directory + "/guest/init", str(len(lines))], check=True,
                           capture_output=True, text=True).stdout.split("\n")
    for line, must in zip(lines, right):
        if line != must:
            return f"the guest wrote \"{line}\", must be \"{must}\""
    return None


def phases(events):
    """Return (seconds, colour, label) of each of PHASES from the stop on."""
    found, said = [], [(when, text) for when, port, text in events if port == "host"]
    start = [i for i, (_, text) in enumerate(said) if text == PHASES[0][0]]
    for when, text in said[start[0]:] if start else []:
        if len(found) < len(PHASES) and text.startswith(PHASES[len(found)][0]):
            found.append((when,) + PHASES[len(found)][1:])
    return found


def blackouts(events):
    """Return the (stop, running again) of each guest, in the order of the stops."""
    said = [(when, text.split(": ")) for when, port, text in events if port == "host"]
    stops = {word[1]: when for when, word in said if word[2:] == ["guest stopped"]}
    runs = {word[1]: when for when, word in said if word[2:] == ["guest running"]}
    return [(stops[name], runs[name]) for name in sorted(stops, key=stops.get)]


def draw(path, found, ticks, summary, guests):
    """Write the timeline as SVG; ticks are the guest's lines. Seconds."""
    zero, end = found[0][0], found[-1][0]
    first = min([zero] + [stop for stop, _ in guests])
    last = max([end] + [running for _, running in guests])
    first, last = first - (last - first) * 0.12, last + (last - first) * 0.12

    def x(when):
        return 20 + 860 * (when - first) / (last - first)

    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="900" '
           f'height="{110 + 20 * len(found) + 6 * len(guests)}" font-family="sans-serif" font-size="13">',
           '<rect width="100%" height="100%" fill="white"/>',
           f'<text x="20" y="24" font-size="15">{summary}</text>',
           '<text x="20" y="48" fill="#555">each line of the guest</text>']
    for when in ticks:
        if first <= when <= last:
            out.append(f'<path d="M{x(when):.1f} 54v14" stroke="#59a14f"/>')
    for (begin, _, _), (when, colour, _) in zip(found, found[1:]):
        out.append(f'<rect x="{x(begin):.1f}" y="72" width="{x(when) - x(begin):.1f}" '
                   f'height="16" fill="{colour}"/>')
    for i, (when, colour, label) in enumerate(found):
        took = (when - found[i - 1][0]) * 1000 if i else 0
        out.append(f'<rect x="20" y="{99 + 20 * i}" width="12" height="12" '
                   f'fill="{colour or "black"}"/>'
                   f'<text x="40" y="{110 + 20 * i}">{label}: after '
                   f'{(when - zero) * 1000:.0f} ms ({took:.0f} ms)</text>')
    for i, (stop, running) in enumerate(guests if len(guests) > 1 else []):
        out.append(f'<rect x="{x(stop):.1f}" y="{100 + 20 * len(found) + 6 * i}" '
                   f'width="{x(running) - x(stop):.1f}" height="4" fill="#e15759"/>')
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(out + ["</svg>", ""]))


def main():
    directory, svg = sys.argv[1:3]
    with open(directory + "/events.log", "w", encoding="utf-8") as log:
        events, status = watch(sys.argv[3:], log)
    problem = judge(events, status, directory)
    found = phases(events)
    ticks = [when for when, port, _ in events if port == "guest"]

    print(f"\n{'ms':>7} {'took':>6}")
    for i, (when, _, label) in enumerate(found):
        took = (when - found[i - 1][0]) * 1000 if i else 0
        print(f"{(when - found[0][0]) * 1000:7.0f} {took:6.0f}  {label}")
    if problem:
        print(f"\nFAILED: {problem}")
        return 1

    stop = found[0][0]
    last = [event for event in events if event[1] == "guest" and event[0] <= stop][-1]
    first = [event for event in events if event[1] == "guest" and event[0] >= found[-3][0]][0]
    summary = (f"guest stopped for {(found[-1][0] - stop) * 1000:.0f} ms, "
               f"silent for {(first[0] - last[0]) * 1000:.0f} ms")
    guests = blackouts(events)
    if len(guests) > 1:
        each = sorted(running - stop for stop, running in guests)
        summary += (f"; {len(guests)} guests: {each[len(each) // 2] * 1000:.0f} ms in the median, "
                    f"{each[-1] * 1000:.0f} ms at most")
    draw(svg, found, ticks, summary, guests)
    print(f"\nold kernel, last line of the guest:  {last[2]}")
    print(f"new kernel, first line of the guest: {first[2]}")
    print(f"all {len(ticks)} lines are there, in order, with the right sums of memory")
    print(f"{summary}; see {svg}")
    return 0


sys.exit(main())
