#!/usr/bin/env python3
"""scripts/bench fastpath: ml2-fastpath against OVS with DPDK and testpmd's io mode, on the same frames, in one run.

Usage: scripts/bench fastpath [--cases LIST] [--rounds N] [--seconds S] [--core N] [--control-core N] [--output DIR]
                              [--parts LIST] [--no-wildcard] [--isa NAME]
  --cases LIST       comma-separated, of vlan-push, vlan-pop, encap, decap with /1, /10k, /100k, /1M; a work alone is all
                     of its sizes (default: all)
  --parts LIST       comma-separated: loss (what is lost from 1 MAC to more, all sizes in turn), walk (nanoseconds a frame by size, of frames that the cache holds), tables (the FDB against
                     rte_hash, load, memory), inside (latency; vhost-user, both ends on one core), updates (tables changed under
                     load), workers (two against one); "" for none (default: all, or none where --cases is given)
  --rounds N         per case, the programs in turn; the median counts (default 3)
  --seconds S        of each measurement (default 1.5)
  --core N           the processor that is polled (default: the last one)
  --control-core N   of everything else (default 0)
  --output DIR       where fastpath.jsonl and fastpath.svg go (default build/bench)
  --no-wildcard      leave out OVS's best case, one rule for all destinations
  --isa NAME         of ml2-fastpath: scalar, avx2, avx512

A figure is Mpps per CPU-second of the polling thread: packets that left, divided by the CPU time that the thread had
(schedstat). Each case starts the programs, has them load the same generator (fastpath_generator.cc: a DPDK device that
writes each frame into a fresh buffer as it is asked for), and measures them in turn on the same core, the others stopped.

Read the figures with this in mind: the load is synthetic (frames of 60 bytes inner, sent into net_null), so
there is no NIC, no PCI bus and no virtio in them, and io mode does not look at the frames. What making and throwing away a
frame costs is in every figure, the same in all three programs, and at every size: frames are in the caches, as those are
that a NIC puts there (DDIO), so what is lost from 1 MAC to more is lost by the program's own tables. All MACs of a size are met,
in no order. On a shared machine the caches belong to the neighbours too: only ratios of one run mean something. OVS is left
out at /1M (its rules would take 5 GB).
"""
import argparse
import itertools
import json
import os
import signal
import statistics
import struct
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from peers import (GATEWAY_MAC, LOCAL_IP, LOCAL_MAC, TOP, VLAN, VM_IP, VM_MAC, VNI, Ours, OvsDpdk, PeerError,  # noqa: E402
                   TestPmd, VTEPS, mac_of, vtep_ip)
from fastpath import FastPathError, mac  # noqa: E402
from fastpath_parts import PARTS  # noqa: E402

WORKS = ("vlan-push", "vlan-pop", "encap", "decap")
SIZES = {"1": 1, "10k": 10_000, "100k": 100_000, "1M": 1_000_000}
# Against OVS at 1 and 10k MACs, and as a part of testpmd io at 1 MAC.
AIMS = {"vlan-push": (2.5, 12, 0.50), "vlan-pop": (2.5, 12, 0.50), "encap": (2.5, 12, 0.45), "decap": (4, 14, 0.40)}


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ipv4(source, destination, payload, ident=0):
    pack = lambda text: bytes(int(part) for part in text.split("."))
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), ident, 0x4000, 64, 17, 0, pack(source), pack(destination))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def inner(index, source=VM_MAC):
    """60 bytes: Ethernet, IPv4, UDP from the machine to destination `index`."""
    payload = struct.pack("!HHHH", 1024 + index % 32768, 4242, 26, 0) + bytes(18)
    return mac_of(index) + mac(source) + b"\x08\x00" + ipv4(VM_IP, "10.0.0.2", payload)


class Case:
    def __init__(self, work, size, directory):
        self.work, self.size = work, size
        self.name = f"{work}/{size}"
        self.macs = SIZES[size]
        self.mbufs = 16383
        self.path = os.path.abspath(os.path.join(directory, f"{work}-{size}.frame"))

    def frame(self):
        """To the first destination; the generator makes the others of it."""
        frame = inner(0)
        if self.work == "vlan-pop":
            frame = frame[:12] + struct.pack("!HH", 0x8100, VLAN) + frame[12:]
        elif self.work == "decap":
            udp = struct.pack("!HHHH", 49152, 4789, 8 + 8 + len(frame), 0)
            vxlan = struct.pack("!II", 0x08000000, VNI << 8)
            frame = mac(LOCAL_MAC) + mac(GATEWAY_MAC) + b"\x08\x00" + ipv4(vtep_ip(0), LOCAL_IP, udp + vxlan + frame)
        return frame

    def write(self):
        with open(self.path, "wb") as out:
            out.write(self.frame())

    def source(self, number=0):
        return f"net_ml2gen{number},frame={self.path},macs={self.macs},vteps={VTEPS}"

    @staticmethod
    def sink(number=1):
        return f"net_null{number},no-rx=1"


def measure(peer, seconds):
    """(Mpps per CPU second, Mpps)"""
    peer.resume()
    peer.sent()
    time.sleep(0.3)
    packets, cpu, wall = peer.sent(), peer.cpu_seconds(), time.monotonic()
    time.sleep(seconds)
    packets, cpu, wall = peer.sent() - packets, peer.cpu_seconds() - cpu, time.monotonic() - wall
    peer.pause()
    return packets / cpu / 1e6, packets / wall / 1e6


def huge_pages(wanted):
    """Sees to it that so many pages of 2 MB are free; returns what to set back."""
    path = "/proc/sys/vm/nr_hugepages"
    with open(path, encoding="ascii") as text:
        before = int(text.read())
    with open("/proc/meminfo", encoding="ascii") as text:
        free = next(int(line.split()[1]) for line in text if line.startswith("HugePages_Free"))
    if free < wanted:
        with open(path, "w", encoding="ascii") as text:
            text.write(str(before + wanted - free))
        with open(path, encoding="ascii") as text:
            if int(text.read()) < before + wanted - free:
                raise PeerError(f"{wanted} huge pages of 2 MB cannot be had")
        return lambda: open(path, "w", encoding="ascii").write(str(before))
    return lambda: None


def run_case(case, options, directory):
    """{peer: [Mpps per CPU second, ...]}"""
    case.write()
    kinds = [lambda *a: Ours(*a, isa=options.isa), TestPmd]
    if case.size != "1M":
        kinds.append(OvsDpdk)
        if options.wildcard:
            kinds.append(lambda *a: OvsDpdk(*a, rules="wildcard"))
    figures = {}
    # Two OVS at once would need twice the memory: each comes with a turn of ours and of io, interleaved.
    for kind in kinds[2:] or [None]:
        running = []
        try:
            for make in (*kinds[:2], *([kind] if kind else [])):
                running.append(make(case, options.core, options.control_core, directory))
                running[-1].pause()
            for _ in range(options.rounds):
                for peer in running:
                    figure, _raw = measure(peer, options.seconds)
                    figures.setdefault(peer.name, []).append(figure)
        finally:
            for peer in running:
                peer.end()
    os.unlink(case.path)
    return figures


def chart(results, path):
    """Bars per case: ours, OVS, OVS's best case, io."""
    colours = {"ml2-fastpath": "#1b6ca8", "ovs-dpdk": "#d1495b", "ovs-dpdk-wildcard": "#edae49", "testpmd-io": "#9aa5ab"}
    left, top, bar, gap, height = 60, 40, 14, 22, 300
    peak = max(statistics.median(v) for figures in results.values() for v in figures.values())
    x, out = left, []
    for name, figures in results.items():
        start = x
        for peer, colour in colours.items():
            if peer not in figures:
                continue
            value = statistics.median(figures[peer])
            h = value / peak * height
            out.append(f'<rect x="{x}" y="{top + height - h:.1f}" width="{bar}" height="{h:.1f}" fill="{colour}">'
                       f"<title>{peer} {name}: {value:.2f}</title></rect>"
                       f'<text x="{x + bar / 2}" y="{top + height - h - 3:.1f}" font-size="8" text-anchor="middle">{value:.1f}</text>')
            x += bar
        out.append(f'<text x="{(start + x) / 2}" y="{top + height + 14}" font-size="10" text-anchor="middle">{name}</text>')
        x += gap + max(0, 52 - (x - start))
    legend, at = [], left
    for peer, colour in colours.items():
        legend.append(f'<rect x="{at}" y="10" width="10" height="10" fill="{colour}"/><text x="{at + 14}" y="19" font-size="11">{peer}</text>')
        at += 30 + 8 * len(peer)
    width = max(x, at) + 20
    with open(path, "w", encoding="utf-8") as svg:
        svg.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{top + height + 40}" font-family="sans-serif">'
                  f'<rect width="100%" height="100%" fill="white"/>{"".join(legend)}'
                  f'<text x="14" y="{top + height / 2}" font-size="11" transform="rotate(-90 14 {top + height / 2})" '
                  f'text-anchor="middle">Mpps per CPU second</text>'
                  f'<line x1="{left - 5}" x2="{width - 10}" y1="{top + height}" y2="{top + height}" stroke="black"/>'
                  f'{"".join(out)}</svg>\n')


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1][7:], description=__doc__.split("\n\n", 2)[2],
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases")
    parser.add_argument("--parts")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--core", type=int, default=os.cpu_count() - 1)
    parser.add_argument("--control-core", type=int, default=0)
    parser.add_argument("--output", default=os.path.join(TOP, "build", "bench"))
    parser.add_argument("--no-wildcard", dest="wildcard", action="store_false")
    parser.add_argument("--isa")
    options = parser.parse_args()
    parts = list(filter(None, (options.parts if options.parts is not None else "" if options.cases is not None else
                               ",".join(PARTS)).split(",")))
    for part in parts:
        if part not in PARTS:
            parser.error(f"{part}: not a part")
    names = []
    for word in filter(None, (",".join(WORKS) if options.cases is None else options.cases).split(",")):
        work, _, size = word.partition("/")
        if work not in WORKS or (size and size not in SIZES):
            parser.error(f"{word}: not a case")
        names += [(work, one) for one in ([size] if size else SIZES)]
    os.makedirs(options.output, exist_ok=True)
    results, lines = {}, []
    restore = huge_pages(1600)
    try:
        for work, size in names:
            case = Case(work, size, options.output)
            begun = time.monotonic()
            results[case.name] = figures = run_case(case, options, options.output)
            median = {peer: statistics.median(values) for peer, values in figures.items()}
            for peer in ("ovs-dpdk", "ovs-dpdk-wildcard", "testpmd-io"):
                if peer in median:
                    lines.append({"bench": "fastpath", "case": case.name, "metric": "mpps_per_cpu",
                                  "value": round(median["ml2-fastpath"], 3), "unit": "Mpps/CPU-s", "peer": peer, "peer_value": round(median[peer], 3),
                                  "ratio": round(median["ml2-fastpath"] / median[peer], 3), "rounds": len(figures[peer]),
                                  "values": [round(v, 3) for v in figures["ml2-fastpath"]],
                                  "peer_values": [round(v, 3) for v in figures[peer]]})
                    print(json.dumps(lines[-1]), flush=True)
            print(f"# {case.name}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
        of_cases = len(lines)
        for extra in itertools.chain(*(PARTS[part](options, options.output) for part in parts)):
            lines.append(extra)
            print(json.dumps(extra), flush=True)
    finally:
        restore()
    with open(os.path.join(options.output, "fastpath.jsonl"), "w", encoding="utf-8") as out:
        out.writelines(json.dumps(line) + "\n" for line in lines)
    if parts:
        print(f"\n{'case':16} {'metric':36} {'value':>14} unit        peer")
        for one in lines[of_cases:]:
            peer = f"  {one['peer']} {one['peer_value']}, {one['ratio']}x" if "peer" in one else ""
            print(f"{one['case']:16} {one['metric']:36} {one['value']:14,.3f} {one['unit']:10}{peer}")
    if not results:
        return
    chart(results, os.path.join(options.output, "fastpath.svg"))
    print(f"\n{'case':16} {'ours':>8} {'ovs-dpdk':>9} {'ratio':>7} {'wildcard':>9} {'ratio':>7} {'io':>8} {'part':>6} {'lost':>10}  aim")
    lost = {one["case"]: f"{one['value']:.0f}%" for one in lines if one["metric"] == "lost_from_1"}
    for name, figures in results.items():
        work, size = name.split("/")
        median = {peer: statistics.median(values) for peer, values in figures.items()}
        ours = median["ml2-fastpath"]

        def cell(peer, width):
            return f"{median[peer]:{width}.2f} {ours / median[peer]:6.2f}x" if peer in median else " " * (width - 1) + "-       -"
        aim = {"1": f"{AIMS[work][0]}x, {AIMS[work][2]:.0%} of io", "10k": f"{AIMS[work][1]}x, 15% lost", "100k": "30% lost",
               "1M": "50% lost"}[size]
        print(f"{name:16} {ours:8.2f} {cell('ovs-dpdk', 9)} {cell('ovs-dpdk-wildcard', 9)} {median['testpmd-io']:8.2f} "
              f"{ours / median['testpmd-io']:6.0%} {lost.get(name, ''):>10}  {aim}")
    print("\nMpps per CPU second of the polling thread, medians; lost: against 1 MAC, part loss, all sizes in turn (io_lost_from_1 is "
          "\n0, but for noise: what making a frame costs is in every figure, and the same). A synthetic load on a shared machine: "
          "\ncompare within a line; see --help.")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what is under way is ended and put back
    try:
        main()
    except (PeerError, FastPathError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(1)
