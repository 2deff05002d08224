import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  bytesAt,
  decodeBencode,
  dictionaryAt,
  integerAt,
  latin1,
  listAt,
  textAt,
} from "../../src/bytes/bencode.ts";
import { formatEndpoint } from "../../src/bytes/endpoint.ts";
import { TrackerError } from "../../src/errors.ts";
import { HttpTracker } from "../../src/tracker/http_tracker.ts";
import type { AnnounceRequest } from "../../src/tracker/tracker.ts";
import { TrackerServer } from "../../src/tracker/tracker_server.ts";
import { firstAnswer } from "../support/first_answer.ts";
import { randomBytes, seededRandom } from "../support/seeded_random.ts";

const HASH = new Uint8Array(20).fill(0x61);

function announce(server: TrackerServer, request: Partial<AnnounceRequest>) {
  const tracker = HttpTracker.at(server.announceUrl)!;
  return firstAnswer(tracker.announce({
    infoHash: HASH,
    peerId: new Uint8Array(20).fill(0x70),
    port: 6881,
    uploaded: 0,
    downloaded: 0,
    left: 1,
    numWant: 50,
    key: "abcd",
    ...request,
  }, { signal: new AbortController().signal }));
}

async function portsFor(
  server: TrackerServer,
  request: Partial<AnnounceRequest>,
): Promise<number[]> {
  const { peers } = await announce(server, request);
  return peers.map(({ endpoint }) => endpoint.port).sort((a, b) => a - b);
}

/** Asks as other programs do. */
async function ask(server: TrackerServer, query: string, path = "/announce") {
  const response = await fetch(new URL(path + query, server.announceUrl));
  const answer = decodeBencode(await response.bytes());
  assert(answer instanceof Map);
  return answer;
}

const ESCAPED = `info_hash=${"a".repeat(20)}&peer_id=${"p".repeat(20)}`;

Deno.test("TrackerServer introduces those who announce to each other", async () => {
  await using server = new TrackerServer();
  assertMatch(server.announceUrl, /^http:\/\/127\.0\.0\.1:\d+\/announce$/);
  assertEquals(await portsFor(server, { port: 1 }), []);
  assertEquals(await portsFor(server, { port: 2 }), [1]);
  assertEquals(await portsFor(server, { port: 3, numWant: 1 }), [1]);
  assertEquals(await portsFor(server, { port: 1 }), [2, 3]);
  assertEquals(await portsFor(server, { port: 4, numWant: 0 }), []);
  const elsewhere = { infoHash: new Uint8Array(20), port: 5 };
  assertEquals(await portsFor(server, elsewhere), []);
});

Deno.test("TrackerServer forgets who stops", async () => {
  await using server = new TrackerServer();
  await announce(server, { port: 1 });
  await announce(server, { port: 2 });
  await announce(server, { port: 1, event: "stopped" });
  assertEquals(await portsFor(server, { port: 3 }), [2]);
});

Deno.test("TrackerServer counts seeds and the others", async () => {
  await using server = new TrackerServer();
  await announce(server, { port: 1, left: 0 });
  await announce(server, { port: 2, left: 5 });
  const answer = await announce(server, { port: 3, left: 7 });
  assertEquals(answer.seeders, 1);
  assertEquals(answer.leechers, 2);
  assertEquals(answer.interval, 1800);
  assertEquals(answer.minInterval, 60);
  const done = await announce(server, { port: 2, left: 0, event: "completed" });
  assertEquals([done.seeders, done.leechers], [2, 1]);
});

Deno.test("TrackerServer takes any bytes for a hash", async () => {
  await using server = new TrackerServer();
  const random = seededRandom(1);
  for (let round = 0; round < 20; round++) {
    const infoHash = randomBytes(20, random);
    assertEquals(await portsFor(server, { infoHash, port: 1 }), []);
    assertEquals(await portsFor(server, { infoHash, port: 2 }), [1]);
  }
});

Deno.test("TrackerServer understands hashes that are hardly escaped", async () => {
  await using server = new TrackerServer();
  const hash = `=%3d=a=%26${"x".repeat(14)}`;
  for (const port of [1, 2]) {
    const answer = await ask(
      server,
      `?info_hash=${hash}&peer_id=${"p".repeat(20)}&port=${port}&left=0`,
    );
    assertEquals(textAt(answer, "failure reason"), undefined);
    assertEquals(integerAt(answer, "complete"), port);
  }
});

Deno.test("TrackerServer answers as it is asked to", async (t) => {
  await using server = new TrackerServer();
  await ask(server, `?${ESCAPED}&port=258&left=0`);

  await t.step("compact", async () => {
    const answer = await ask(server, `?${ESCAPED}&port=2`);
    assertEquals(bytesAt(answer, "peers"), Uint8Array.of(127, 0, 0, 1, 1, 2));
    assertEquals(bytesAt(answer, "peers6"), new Uint8Array());
  });

  await t.step("as a list", async () => {
    const answer = await ask(server, `?${ESCAPED}&port=2&compact=0`);
    const [peer] = listAt(answer, "peers")!;
    assert(peer instanceof Map);
    assertEquals(textAt(peer, "ip"), "127.0.0.1");
    assertEquals(integerAt(peer, "port"), 258);
    assertEquals(textAt(peer, "peer id"), "p".repeat(20));
  });
});

Deno.test("TrackerServer refuses what it cannot use", async (t) => {
  await using server = new TrackerServer();
  const queries = [
    "",
    "?port=1",
    `?info_hash=abc&peer_id=${"p".repeat(20)}&port=1`,
    `?${ESCAPED}`,
    `?${ESCAPED}&port=0`,
    `?${ESCAPED}&port=65536`,
    `?${ESCAPED}&port=-1`,
    `?${ESCAPED}&port=1e3`,
    `?${ESCAPED}x&port=1`,
    `?${ESCAPED.replace("aa", "%zz")}&port=1`,
  ];
  for (const query of queries) {
    await t.step(query, async () => {
      const answer = await ask(server, query);
      assert(textAt(answer, "failure reason"));
    });
  }

  await t.step("as a tracker's failure", async () => {
    await assertRejects(
      () => announce(server, { peerId: new Uint8Array(19) }),
      TrackerError,
      "20 bytes",
    );
  });

  await t.step("other methods and paths", async () => {
    const post = await fetch(server.announceUrl, { method: "POST" });
    assertEquals([post.status, await post.text()], [405, ""]);
    const other = await fetch(new URL("/etc/passwd", server.announceUrl));
    assertEquals(other.status, 404);
    await other.body?.cancel();
  });
});

Deno.test("TrackerServer answers scrapes", async () => {
  await using server = new TrackerServer();
  const other = new Uint8Array(20).fill(0xe9);
  await announce(server, { port: 1, left: 0 });
  await announce(server, { port: 2 });
  await announce(server, { port: 3, infoHash: other });
  const countsIn = async (query: string) => {
    const files = dictionaryAt(await ask(server, query, "/scrape"), "files")!;
    return [...files].map(([hash, file]) => {
      assert(file instanceof Map);
      const counts = [
        integerAt(file, "complete"),
        integerAt(file, "incomplete"),
      ];
      return `${hash[0]} ${counts}`;
    });
  };
  assertEquals(await countsIn(""), ["a 1,1", `${latin1(other)[0]} 0,1`]);
  assertEquals(await countsIn(`?info_hash=${"a".repeat(20)}`), ["a 1,1"]);
  assertEquals(await countsIn("?info_hash=unknown"), []);
});

Deno.test("TrackerServer keeps a bounded number of peers and torrents", async () => {
  await using server = new TrackerServer();
  for (let port = 1; port <= 2002; port++) {
    const response = await fetch(
      `${server.announceUrl}?${ESCAPED}&port=${port}&numwant=0`,
    );
    await response.body?.cancel();
  }
  const answer = await announce(server, { port: 2002, numWant: 10_000 });
  assertEquals(answer.leechers, 2000);
  // The oldest have gone, and one answer names but a part.
  assertEquals(answer.peers.length, 200);
  assertEquals(formatEndpoint(answer.peers[0]!.endpoint), "127.0.0.1:3");
});

Deno.test("TrackerServer ends though somebody is still connected", async () => {
  const server = new TrackerServer();
  const { port } = new URL(server.announceUrl);
  using idle = await Deno.connect({
    hostname: "127.0.0.1",
    port: Number(port),
  });
  using half = await Deno.connect({
    hostname: "127.0.0.1",
    port: Number(port),
  });
  await half.write(new TextEncoder().encode("GET /announce HTTP/1.1\r\nHo"));
  await server[Symbol.asyncDispose]();
  assert(idle);
});
