"""ml2-fastpath's rarer encapsulations against frames that scapy made: a tagged underlay with UDP checksums, flat networks, a tag
within a tag. test_fastpath has the usual ones.

Skipped where ml2-fastpath was not built.
"""
import os
import unittest

import test_fastpath
from fastpath import TAGGED, attachment, fdb, port, segment, vtep
from test_fastpath import NEXT_HOP, OURS, PROGRAM, REMOTE, TRUNK, VM

VM2, FAR = "fa:16:3e:00:00:02", "fa:16:3e:00:00:0a"


@unittest.skipUnless(os.path.exists(PROGRAM), "ml2-fastpath is not built here")
class FastPathTags(unittest.TestCase):
    setUp = test_fastpath.FastPathConformance.setUp
    through = test_fastpath.FastPathConformance.through

    def test_rarer_encapsulations_agree_with_scapy(self):
        s, VXLAN = self.scapy, self.VXLAN
        inner = lambda to, source, n=18: s.Ether(dst=to, src=source) / s.IP(src="10.0.0.1", dst="10.0.0.2") / \
            s.UDP(sport=4000 + n, dport=53) / (b"x" * n)
        inner6 = s.Ether(dst=REMOTE, src=VM) / s.IPv6(src="2001:db8:1::1", dst="2001:db8:1::2") / s.TCP(sport=1, dport=2) / b"data"
        def outer(vlan, payload, ip=None, **fields):
            head = s.Ether(dst=OURS, src=NEXT_HOP)
            head = head if vlan is None else head / s.Dot1Q(vlan=vlan, prio=3)
            ip = ip or s.IP(src="192.0.2.2", dst="192.0.2.1")
            return bytes(head / ip / s.UDP(sport=50000, dport=4789, **fields) / VXLAN(vni=1000, flags="Instance") / payload)
        def tags(frame, *vlans):
            raw = bytes(frame)
            return raw[:12] + b"".join(b"\x81\x00" + vlan.to_bytes(2, "big") for vlan in vlans) + raw[12:]
        to_vm = bytes(inner(VM, REMOTE))
        from_vm = [inner(REMOTE, VM), inner(REMOTE, VM, 19), inner6, inner(REMOTE, VM, 1200)]
        tunnel = [outer(70, to_vm, chksum=0), outer(70, to_vm)]  # without a checksum, with a right one
        wrong = {"VlanNotAllowed": outer(71, to_vm, chksum=0),
                 "OuterUdpChecksum": outer(70, to_vm, chksum=77),
                 "OuterFragment": outer(70, to_vm, s.IP(src="192.0.2.2", dst="192.0.2.1", flags="MF"), chksum=0),
                 "HeaderTruncated": outer(70, to_vm, chksum=0)[:50]}
        out, drops = self.through(
            {1: [*map(bytes, from_vm), bytes(inner(TRUNK, VM))], 2: [tags(inner(FAR, VM2), 7), bytes(inner(FAR, VM2))],
             3: [bytes(inner(VM, TRUNK)), tags(inner(VM2, FAR), 200, 7), tags(inner(VM2, FAR), 200), tags(inner(VM, TRUNK), 0),
                 tags(inner(VM, TRUNK), 300), tags(inner(VM, TRUNK), 7, 200)],
             9: [*tunnel, *wrong.values(), outer(None, to_vm, chksum=0)]},
            {"port": {1: lambda d: port(1, d), 2: lambda d: port(2, d), 3: lambda d: port(3, d, kind=TAGGED),
                      9: lambda d: port(9, d, kind=TAGGED, local="192.0.2.1", hw=OURS, mtu=1600, vlan=70)},
             # Segment 5: VXLAN, and flat on port 3. Segment 6: VLAN 200 there, and its machines' own tags are carried.
             "segment": [segment(5, 1000), segment(6, transparent=1)],
             "attachment": [attachment(1, 5), attachment(3, 5), attachment(2, 6), attachment(3, 6, 200)],
             "vtep": [vtep(7, 9, "192.0.2.1", "192.0.2.2", OURS, NEXT_HOP, udp_checksum=1, vlan=70)],
             "fdb": [fdb(VM, 5, 1), fdb(TRUNK, 5, 3), fdb(REMOTE, 5, 0, 7), fdb(VM2, 6, 2), fdb(FAR, 6, 3)]})

        self.assertEqual(sorted(out[1]), sorted([bytes(inner(VM, TRUNK))] * 2 + [to_vm] * 2))  # VLAN id 0 is no tag
        self.assertEqual(out[2], [tags(inner(VM2, FAR), 7), bytes(inner(VM2, FAR))])
        self.assertEqual(sorted(out[3]), sorted([bytes(inner(TRUNK, VM)), tags(inner(FAR, VM2), 200, 7), tags(inner(FAR, VM2), 200)]))
        self.assertEqual(drops, {**{(9, reason): 1 for reason in wrong}, (9, "VlanNotAllowed"): 2, (3, "VlanNotAllowed"): 2})
        self.assertEqual(len(out[9]), len(from_vm))
        for packet, frame in zip(out[9], from_vm):
            read = s.Ether(packet)
            self.assertEqual((read[s.Dot1Q].vlan, read[s.IP].dst, read[VXLAN].vni), (70, "192.0.2.2", 1000))
            self.assertEqual(bytes(read[VXLAN].payload), bytes(frame))
            again = read.copy()
            for layer, names in ((s.IP, ("len", "chksum")), (s.UDP, ("len", "chksum"))):
                for name in names:
                    delattr(again.getlayer(layer), name)
            self.assertEqual(bytes(again), packet, "scapy makes the same lengths and checksums")


if __name__ == "__main__":
    unittest.main()
