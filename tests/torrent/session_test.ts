import { assert, assertEquals } from "@std/assert";
import { UdpSocket } from "../../src/net/udp.ts";
import type { Metainfo } from "../../src/metainfo/metainfo.ts";
import { Session } from "../../src/torrent/session.ts";
import type { TorrentOptions } from "../../src/torrent/torrent.ts";
import { makeForm } from "../support/make_form.ts";

Deno.test("Session.udpSocket() has the number of the port that others connect to", async () => {
  await using session = new Session({ listenPorts: [0] });
  const socket = session.udpSocket();
  assertEquals(socket.port, session.port);
  assert(session.udpSocket() === socket);
});

Deno.test("Session.udpSocket() takes another port where that is taken", async () => {
  await using session = new Session({ listenPorts: [0] });
  await using _taken = UdpSocket.open({ ports: [session.port!] });
  assert(session.udpSocket().port !== session.port);
});

Deno.test("Session.udpSocket() needs nobody to listen", async () => {
  await using session = new Session({ listenPorts: [] });
  assert(session.udpSocket().port > 0);
});

Deno.test("Session.add() knows a hybrid torrent by either info hash", async (t) => {
  const { metainfo } = makeForm({ form: "hybrid", files: { a: 5 } });
  const options: TorrentOptions = {
    places: () => ({ files: [], folder: "", root: "", control: "" }),
    trackers: [],
    peers: [],
    maxPeers: 1,
    canRead: false,
    canWrite: false,
    mustCheckAll: false,
    mayOverwrite: false,
    isCheckOnly: false,
  };
  const { infoHash, infoHashV2 } = metainfo;
  const others: Record<string, Metainfo> = {
    "the same": metainfo,
    "v1 alone": { ...metainfo, infoHashV2: undefined },
    "v2 alone": {
      ...metainfo,
      hasV1: false,
      infoHash: infoHashV2!.slice(0, 20),
    },
  };
  for (const [name, other] of Object.entries(others)) {
    await t.step(name, async () => {
      await using session = new Session({ listenPorts: [] });
      assert(session.add(other, options));
      assertEquals(session.add(metainfo, options), undefined);
    });
  }
  await using session = new Session({ listenPorts: [] });
  const torrent = session.add(metainfo, options);
  assertEquals(torrent?.hashes, { v1: infoHash, v2: infoHashV2!.slice(0, 20) });
});
