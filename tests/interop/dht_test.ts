import { assertEquals } from "@std/assert";
import { formatEndpoint } from "../../src/bytes/endpoint.ts";
import { conditionalTest } from "../support/conditional.ts";
import { OwnDhtNode } from "../support/own_dht_node.ts";
import { LIBTORRENT } from "./support/clients.ts";
import {
  BITTORRENT_DHT,
  type DhtNodeKind,
  ForeignDhtNode,
  LIBTORRENT_DHT,
} from "./support/dht_nodes.ts";
import { freshAddress } from "./support/loopback.ts";

const KINDS: DhtNodeKind[] = [
  { ...LIBTORRENT_DHT, missing: LIBTORRENT.missing },
  BITTORRENT_DHT,
];

for (const kind of KINDS) {
  conditionalTest({
    name: `DhtNode and ${kind.name}'s nodes are one DHT`,
    missing: kind.missing(),
    async fn(t) {
      const [theirs, ours] = [1, 2].map((byte) =>
        new Uint8Array(20).fill(byte)
      ) as [Uint8Array, Uint8Array];
      await using first = new ForeignDhtNode(kind, {
        bootstrap: undefined,
        role: "stay",
        infoHash: theirs,
      });
      await first.said("ready");
      await using own = new OwnDhtNode([first.endpoint], {
        hostname: freshAddress(),
      });

      await t.step("we find whom they have announced", async () => {
        await using announcer = new ForeignDhtNode(kind, {
          bootstrap: first.endpoint,
          role: "announce",
          infoHash: theirs,
        });
        assertEquals(await own.finds(theirs, announcer.endpoint), true);
      });

      await t.step(
        "they find whom we have announced, by us alone",
        async () => {
          assertEquals(await own.announce(ours, 12345) > 0, true);
          await using seeker = new ForeignDhtNode(kind, {
            bootstrap: own.endpoint,
            role: "seek",
            infoHash: ours,
          });
          const { hostname } = own.endpoint;
          await seeker.said(`peer ${hostname}:12345`);
        },
      );

      await t.step("they find each other in a DHT of ours alone", async () => {
        await using hub = new OwnDhtNode([], { hostname: freshAddress() });
        const site = { bootstrap: hub.endpoint, infoHash: theirs };
        await using announcer = new ForeignDhtNode(kind, {
          ...site,
          role: "announce",
        });
        await using seeker = new ForeignDhtNode(kind, {
          ...site,
          role: "seek",
        });
        await seeker.said(`peer ${formatEndpoint(announcer.endpoint)}`);
      });
    },
  });
}
