import { assertEquals } from "@std/assert";
import { delay } from "@std/async/delay";
import { type Endpoint, formatEndpoint } from "../../src/bytes/endpoint.ts";
import { DhtNode } from "../../src/dht/dht_node.ts";
import { UdpSocket } from "../../src/net/udp.ts";
import { TaskGroup } from "../../src/task_group.ts";
import { conditionalTest } from "../support/conditional.ts";
import { LIBTORRENT } from "./support/clients.ts";
import {
  BITTORRENT_DHT,
  type DhtNodeKind,
  ForeignDhtNode,
  LIBTORRENT_DHT,
} from "./support/dht_nodes.ts";
import { freshAddress } from "./support/loopback.ts";

/** Others announce themselves when they find the time. */
const PATIENCE_MS = 25_000;
const PAUSE_MS = 250;

/** A node of ours, on an address of its own. */
class OwnNode implements AsyncDisposable {
  readonly #hostname = freshAddress();
  readonly #socket = UdpSocket.open({ hostname: this.#hostname, ports: [0] });
  readonly #tasks = new TaskGroup();
  readonly node: DhtNode;

  constructor(bootstrap: readonly Endpoint[]) {
    const node = this.node = new DhtNode({ socket: this.#socket, bootstrap });
    this.#tasks.spawn((signal) => node.run({ signal }));
  }

  get endpoint(): Endpoint {
    return { hostname: this.#hostname, port: this.#socket.port };
  }

  /** Looks for a peer again and again, as long as it is not there. */
  async finds(infoHash: Uint8Array, peer: Endpoint): Promise<boolean> {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    try {
      for (;;) {
        for await (const found of this.node.getPeers(infoHash, { signal })) {
          const isIt = (other: Endpoint) =>
            formatEndpoint(other) === formatEndpoint(peer);
          if (found.some(isIt)) return true;
        }
        await delay(PAUSE_MS, { signal });
      }
    } catch (error) {
      if (!signal.aborted) throw error;
      return false;
    }
  }

  /** Announces, and says how many nodes have taken it. */
  async announce(infoHash: Uint8Array, announcePort: number): Promise<number> {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const options = { announcePort, signal };
    const search = this.node.getPeers(infoHash, options);
    for (;;) {
      const { done, value } = await search.next();
      if (done) return value.announcedTo;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tasks[Symbol.asyncDispose]();
    await this.#socket[Symbol.asyncDispose]();
  }
}

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
      await using own = new OwnNode([first.endpoint]);

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
        await using hub = new OwnNode([]);
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
