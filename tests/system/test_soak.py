"""A short soak (soak.py has the long one): random changes, and none of them concerns two pairs of machines."""
import json
import os
import random

import lab as laboratory
from case import SystemTest
from soak import Soak


class SoakTest(SystemTest):
    def make_pairs(self):
        blue = self.network("blue", "vxlan")
        red = self.network("red", "vlan", segment=150, physical_network=laboratory.PHYSNET, cidrs=("10.2.0.0/24",))
        pairs = [[self.vm(f"{name}{index}", network, self.lab[index]) for index in (1, 2)]
                 for name, network in (("a", blue), ("r", red))]
        for first, second in pairs:
            self.assert_pings(first, second.ip4, count=2)
        return pairs

    def test_soak(self):
        seed = int(os.environ.get("ML2_SOAK_SEED") or random.SystemRandom().randrange(1 << 30))
        with self.for_the_class():
            pairs = self.make_pairs()
        self.figures = [f"seed {seed} (ML2_SOAK_SEED)"]
        self.saw(json.dumps(Soak(self.lab, pairs, seed, self.saw).run(200)))
