import { assertEquals, assertNotEquals } from "@std/assert";
import { formatEndpoint } from "../../src/bytes/endpoint.ts";
import { UdpSocket } from "../../src/net/udp.ts";
import { conditionalTest, missingProgram } from "../support/conditional.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { FROM_SOURCE } from "./support/btget.ts";
import { LIBTORRENT } from "./support/clients.ts";
import { OPENTRACKER } from "./support/opentracker.ts";
import { assertFiles, withSwarm } from "./support/swarm.ts";

const STRACE = "strace";

/** Who asks for an internet socket for datagrams may send some. */
const UDP_SOCKET = /socket\(AF_INET6?, SOCK_DGRAM.*IPPROTO_(UDP|IP)\) = \d/;

for (const isPrivate of [true, false]) {
  conditionalTest({
    name: isPrivate
      ? "btget sends no packet to the DHT or the network for a private torrent"
      : "btget does so for one that is not private",
    missing: [
      ...missingProgram(OPENTRACKER),
      ...missingProgram(STRACE),
      ...LIBTORRENT.missing(),
    ],
    async fn() {
      const info = isPrivate ? { private: 1 } : {};
      const recipe = { name: "x", files: 300_000, info };
      await withSwarm({ recipe, seeders: [LIBTORRENT] }, async (swarm) => {
        await using node = UdpSocket.open({
          ports: [0],
          hostname: "127.0.0.1",
        });
        let packets = 0;
        node.subscribe(() => ++packets > 0);
        using folder = new TempFolder();
        using logs = new TempFolder();
        const log = logs.join("strace");
        const bootstrap = { hostname: "127.0.0.1", port: node.port };
        const btget = swarm.btget(folder.path, {
          program: {
            ...FROM_SOURCE,
            command: (scope) => [
              STRACE,
              ...["-f", "-qq", "-e", "trace=socket", "-o", log],
              ...FROM_SOURCE.command(scope),
            ],
          },
          beyondTrackers: true,
          args: [
            `--dht-bootstrap=${formatEndpoint(bootstrap)}`,
            // Time enough for whoever would look for others.
            "--seed-time=0.05",
          ],
        });
        assertEquals(await btget.finished(), 0);
        await assertFiles(swarm.made, folder.path);
        const sockets = (await Deno.readTextFile(log)).split("\n")
          .filter((line) => UDP_SOCKET.test(line));
        if (isPrivate) {
          assertEquals([packets, sockets], [0, []]);
        } else {
          assertNotEquals(packets, 0);
          assertNotEquals(sockets, []);
        }
      });
    },
  });
}
