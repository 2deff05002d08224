import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { type BencodeInput, encodeBencode } from "../../src/bytes/bencode.ts";
import { formatEndpoint } from "../../src/bytes/endpoint.ts";
import { ProtocolError, TrackerError } from "../../src/errors.ts";
import {
  announceUrl,
  decodeAnnounceResponse,
  HttpTracker,
} from "../../src/tracker/http_tracker.ts";
import type {
  AnnounceRequest,
  AnnounceResponse,
} from "../../src/tracker/tracker.ts";
import { RawServer } from "../support/raw_server.ts";
import { decodeHex } from "@std/encoding/hex";
import vectors from "../../testdata/tracker_vectors.json" with { type: "json" };

const REQUEST: AnnounceRequest = {
  infoHash: new Uint8Array(20).fill(0x61),
  peerId: new Uint8Array(20).fill(0x62),
  port: 6881,
  uploaded: 1,
  downloaded: 2,
  left: 3,
  numWant: 50,
  key: "abcd",
};

function decode(answer: BencodeInput | Uint8Array, status = 200) {
  const body = answer instanceof Uint8Array ? answer : encodeBencode(answer);
  return decodeAnnounceResponse(body, { status });
}

function peersOf({ peers }: AnnounceResponse): string[] {
  return peers.map(({ endpoint }) => formatEndpoint(endpoint));
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

Deno.test("decodeAnnounceResponse() reads what trackers send", async (t) => {
  interface Reply {
    text?: string;
    bytes?: string;
    peers?: string[];
    failure?: string;
    interval?: number;
    minInterval?: number;
    warning?: string;
    seeders?: number;
    leechers?: number;
  }
  for (const reply of vectors.replies as Reply[]) {
    const body = reply.text !== undefined
      ? bytes(reply.text)
      : decodeHex(reply.bytes!);
    await t.step(reply.text?.slice(0, 60) ?? reply.bytes!, () => {
      if (reply.failure !== undefined) {
        const error = assertThrows(
          () => decode(body),
          TrackerError,
          reply.failure,
        );
        assertEquals(error.options.retryIn, reply.interval);
        return;
      }
      const found = decode(body);
      assertEquals(peersOf(found), reply.peers ?? []);
      assertEquals(found.interval, reply.interval);
      assertEquals(found.minInterval, reply.minInterval);
      assertEquals(found.warning, reply.warning);
      assertEquals(found.seeders, reply.seeders);
      assertEquals(found.leechers, reply.leechers);
    });
  }
});

Deno.test("decodeAnnounceResponse() reads lists of peers", async (t) => {
  for (const { text, peer } of vectors.peers) {
    await t.step(text, () => {
      const found = decode(bytes(`d5:peersl${text}ee`));
      assertEquals(peersOf(found), peer === null ? [] : [peer]);
    });
  }
  await t.step("with peer ids", () => {
    const peers = ["a".repeat(20), "short"].map((id, i) => ({
      ip: "192.0.2.1",
      "peer id": id,
      port: i + 1,
    }));
    assertEquals(
      decode({ peers }).peers.map(({ peerId }) => peerId),
      [bytes("a".repeat(20)), undefined],
    );
  });
});

Deno.test("decodeAnnounceResponse() reads compact peers of both families", async (t) => {
  for (const { family, bytes, peers } of vectors.compact) {
    await t.step(`IPv${family}`, () => {
      const key = family === 6 ? "peers6" : "peers";
      assertEquals(peersOf(decode({ [key]: decodeHex(bytes) })), peers);
    });
  }
  await t.step("in any mixture", () => {
    const [six, four] = vectors.compact;
    const answer = decode({
      peers: decodeHex(four!.bytes),
      peers6: decodeHex(six!.bytes),
    });
    assertEquals(peersOf(answer), [...four!.peers, ...six!.peers]);
    const mixed = decode({
      peers: [{ ip: "2001:db8::1", port: 5 }, { ip: "192.0.2.1", port: 6 }],
      peers6: decodeHex(six!.bytes),
    });
    assertEquals(peersOf(mixed), [
      ...six!.peers,
      "[2001:db8::1]:5",
      "192.0.2.1:6",
    ]);
  });
});

Deno.test("decodeAnnounceResponse() drops peers that nobody can be", () => {
  const compact = [
    "7f000001" + "0000", // Port 0.
    "00000000" + "1ae1", // Any address.
    "ffffffff" + "1ae1", // Broadcast.
    "e0000001" + "1ae1", // Multicast.
    "c0000201" + "1ae1",
    "c00002", // Cut off.
  ].join("");
  assertEquals(peersOf(decode({ peers: decodeHex(compact) })), [
    "192.0.2.1:6881",
  ]);
  const compact6 = [
    "0".repeat(32) + "1ae1",
    "ff02" + "0".repeat(27) + "1" + "1ae1",
    "0".repeat(20) + "ffff" + "c0000202" + "1ae1", // IPv4 in IPv6.
  ].join("");
  assertEquals(peersOf(decode({ peers6: decodeHex(compact6) })), [
    "192.0.2.2:6881",
  ]);
  const hosts = [
    "",
    "0.0.0.0",
    "255.255.255.255",
    "224.0.0.1",
    "::",
    "ff02::1",
    "999.1.1.1",
    "a b",
    "a/b",
    "user@host",
    "\x1b[2J",
    "x".repeat(300),
  ];
  const peers = [
    ...hosts.map((ip) => ({ ip, port: 1 })),
    ...[0, -1, 65536, 2 ** 40, 2n ** 70n, "80"].map((port) => ({
      ip: "192.0.2.1",
      port,
    })),
    { ip: 5, port: 1 },
    { ip: ["192.0.2.1"], port: 1 },
    "192.0.2.1:1",
    7,
    [],
    { port: 1 },
    { ip: "192.0.2.9", port: 65535 },
  ];
  assertEquals(peersOf(decode({ peers })), ["192.0.2.9:65535"]);
});

Deno.test("decodeAnnounceResponse() takes a thousand peers of each kind", () => {
  const many = new Uint8Array(6 * 100_000).fill(1);
  assertEquals(decode({ peers: many }).peers.length, 1000);
  const listed = Array(1500).fill({ ip: "192.0.2.1", port: 1 });
  assertEquals(decode({ peers: listed }).peers.length, 1000);
});

Deno.test("decodeAnnounceResponse() takes no number for more than it is", () => {
  const values: [BencodeInput, number | undefined][] = [
    [1042, 1042],
    [0, 0],
    [-1, -1],
    [2n ** 62n, undefined],
    ["abc", undefined],
    [[1], undefined],
    [{}, undefined],
  ];
  for (const [value, number] of values) {
    const answer = decode({
      complete: value,
      incomplete: value,
      interval: value,
      "min interval": value,
    });
    assertEquals(answer.interval, number);
    assertEquals(answer.minInterval, number);
    assertEquals(answer.seeders, number);
    assertEquals(answer.leechers, number);
    assertEquals(answer.peers, []);
  }
});

Deno.test("decodeAnnounceResponse() tells when a tracker that refuses may be asked again", () => {
  const rows: [
    answer: Record<string, BencodeInput>,
    retryIn: number | undefined,
  ][] = [
    [{}, undefined],
    [{ "retry in": 5 }, 300],
    [{ "retry in": "never" }, Infinity],
    [{ "retry in": "soon" }, undefined],
    [{ interval: 900 }, 900],
    [{ interval: 900, "retry in": 1 }, 60],
    [{ interval: 900, "retry in": "never" }, Infinity],
  ];
  for (const [answer, retryIn] of rows) {
    const error = assertThrows(
      () => decode({ "failure reason": "No", ...answer }),
      TrackerError,
      "The tracker says: No",
    );
    assertEquals(error.options.retryIn, retryIn);
  }
});

Deno.test("decodeAnnounceResponse() keeps messages short", () => {
  const text = "あ".repeat(100_000);
  const error = assertThrows(
    () => decode({ "failure reason": text }),
    TrackerError,
  );
  assert(error.message.length < 550);
  assertEquals(decode({ "warning message": text }).warning?.length, 500);
  // What is no text is none.
  assertEquals(decode({ "failure reason": 5 }).peers, []);
});

Deno.test("decodeAnnounceResponse() keeps a tracker id as it is, if it is short", () => {
  const id = Uint8Array.of(0, 0xff, 0x26, 0x25);
  assertEquals(decode({ "tracker id": id }).trackerId, id);
  const [longest, tooLong] = [new Uint8Array(256), new Uint8Array(257)];
  assertEquals(decode({ "tracker id": longest }).trackerId, longest);
  assertEquals(decode({ "tracker id": tooLong }).trackerId, undefined);
  assertEquals(decode({ "tracker id": 5 }).trackerId, undefined);
});

Deno.test("decodeAnnounceResponse() refuses what is no answer", async (t) => {
  const bodies = ["", "x", "<html>", "d", "de!", "i5e", "le", "4:spam", "d1:a"];
  for (const body of bodies) {
    await t.step(JSON.stringify(body), () => {
      if (body === "de!") return assertEquals(decode(bytes(body)).peers, []);
      assertThrows(() => decode(bytes(body)), ProtocolError);
    });
  }
  await t.step("and names the status", () => {
    assertThrows(
      () => decode(bytes("<html>"), 503),
      ProtocolError,
      "HTTP status 503",
    );
  });
});

Deno.test("announceUrl() escapes bytes one by one", () => {
  const infoHash = decodeHex(vectors.percent.bytes);
  const { href } = announceUrl(new URL("http://a.example/announce"), {
    ...REQUEST,
    infoHash,
  });
  assert(href.includes(`?${vectors.percent.query}&`), href);
  const every = Uint8Array.from({ length: 256 }, (_, i) => i);
  const url = announceUrl(new URL("http://a.example/"), {
    ...REQUEST,
    infoHash: every,
  });
  const escaped = /[?&]info_hash=([^&]*)/.exec(url.href)![1]!;
  assertMatch(escaped, /^([0-9A-Za-z._~-]|%[0-9A-F]{2})*$/);
  const back = escaped.replace(
    /%(..)/g,
    (_, hex) => String.fromCharCode(parseInt(hex, 16)),
  );
  assertEquals(Uint8Array.from(back, (c) => c.charCodeAt(0)), every);
});

Deno.test("announceUrl() says everything, and keeps what the URL has", async (t) => {
  const plain = "info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=bbbbbbbbbbbbbbbbbbbb" +
    "&port=6881&uploaded=1&downloaded=2&left=3&compact=1&no_peer_id=1" +
    "&numwant=50&key=abcd";
  const rows: [url: string, more: Partial<AnnounceRequest>, query: string][] = [
    ["http://a.example/announce", {}, plain],
    ["http://a.example/announce?", {}, plain],
    ["http://a.example/announce?passkey=x&y", {}, `passkey=x&y&${plain}`],
    ["http://a.example/announce#part", {}, plain],
    ["http://a.example/", { event: "started" }, `${plain}&event=started`],
    [
      "http://a.example/",
      { trackerId: Uint8Array.of(0xff, 0x26, 0x61) },
      `${plain}&trackerid=%FF%26a`,
    ],
    [
      "http://a.example/",
      { downloaded: 2 ** 53 - 1 },
      plain.replace("downloaded=2", "downloaded=9007199254740991"),
    ],
  ];
  for (const [url, more, query] of rows) {
    await t.step(url, () => {
      const tracker = new URL(url);
      const { search } = announceUrl(tracker, { ...REQUEST, ...more });
      assertEquals(search, `?${query}`);
      assertEquals(tracker.href, new URL(url).href);
    });
  }
});

Deno.test("HttpTracker.at() knows the URLs of trackers", async (t) => {
  for (const url of [...vectors.urls.valid, ...vectors.localUrls.permitted]) {
    await t.step(url, () => assert(HttpTracker.at(url)));
  }
  for (const url of [...vectors.urls.invalid, ...vectors.localUrls.refused]) {
    await t.step(`not ${JSON.stringify(url)}`, () => {
      assertEquals(HttpTracker.at(url), undefined);
    });
  }
});

Deno.test("HttpTracker.at() takes no URL that speaks in our name", () => {
  const { names, found, notFound } = vectors.reservedArguments;
  const at = (query: string) =>
    HttpTracker.at(`http://a.example/announce?${query}`);
  for (const query of notFound) assert(at(query), query);
  for (const query of found) assertEquals(at(query), undefined, query);
  for (const name of names) {
    assertEquals(at(`x=y&${name}=5`), undefined);
    const escaped = `%${name.charCodeAt(0).toString(16)}${name.slice(1)}`;
    assertEquals(at(`${escaped}=5`), undefined, escaped);
  }
});

Deno.test("HttpTracker has a name without secrets", () => {
  const url = "http://u:p@a.example/0123456789abcdef0123456789/announce?x=y";
  assertEquals(HttpTracker.at(url)?.name, "http://a.example/…/announce");
});

/** Asks a tracker that sends this. */
async function announceTo(answer: string | Uint8Array) {
  await using server = new RawServer(({ send }) => send(answer));
  const tracker = HttpTracker.at(server.url("/announce").href)!;
  return await tracker.announce(REQUEST, {
    signal: new AbortController().signal,
  });
}

function http(body: string, status = "200 OK"): string {
  return `HTTP/1.1 ${status}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

Deno.test("HttpTracker.announce() takes an answer whatever its status", async (t) => {
  const answer = "d8:intervali900e5:peers6:\x01\x02\x03\x04\x05\x06e";
  for (const status of ["200 OK", "404 Not Found", "500 Oops", "302 Found"]) {
    await t.step(status, async () => {
      const found = await announceTo(http(answer, status));
      assertEquals(found.interval, 900);
      assertEquals(peersOf(found), ["1.2.3.4:1286"]);
    });
  }
});

Deno.test("HttpTracker.announce() fails in one way", async (t) => {
  const failure = "d14:failure reason9:not todaye";
  const rows: [name: string, answer: string, message: string][] = [
    ["a refusal", http(failure), "The tracker says: not today"],
    ["a refusal as an error", http(failure, "403 Forbidden"), "not today"],
    ["an error", http("<html>", "404 Not Found"), "HTTP status 404"],
    ["an error without a word", http("", "410 Gone"), "HTTP status 410"],
    ["nothing", http(""), "is not bencoded"],
    ["a page", http("<html>"), "is not bencoded"],
    ["a list", http("le"), "is not a dictionary"],
    ["too much", http("x".repeat(1024 * 1024 + 1)), "more than 1048576 bytes"],
    ["no HTTP", "d8:intervali900ee", "cannot be asked"],
    ["a hang-up", "", "cannot be asked"],
  ];
  for (const [name, answer, message] of rows) {
    await t.step(name, async () => {
      await assertRejects(() => announceTo(answer), TrackerError, message);
    });
  }

  await t.step("a way to another program of this machine", async () => {
    await using other = new RawServer(http("de"));
    const location = other.url("/admin?do=it").href;
    const redirect = `HTTP/1.1 302 Found\r\nLocation: ${location}\r\n\r\n`;
    await assertRejects(
      () => announceTo(redirect),
      TrackerError,
      "is on this machine, and no tracker",
    );
    assertEquals(other.requests, []);
  });
});

Deno.test("HttpTracker.announce() throws the reason when it is aborted", async () => {
  const abort = new AbortController();
  const reason = new Error("enough");
  await using server = new RawServer(({ closed }) => {
    abort.abort(reason);
    return closed;
  });
  const tracker = HttpTracker.at(server.url("/announce").href)!;
  const error = await assertRejects(() =>
    tracker.announce(REQUEST, { signal: abort.signal })
  );
  assertEquals(error, reason);
});

Deno.test("HttpTracker.announce() sends its request, and the password apart", async () => {
  await using server = new RawServer(http("de"));
  const url = `http://u:p@127.0.0.1:${server.port}/announce?x=%2F#y`;
  await HttpTracker.at(url)!.announce({ ...REQUEST, event: "started" }, {
    signal: new AbortController().signal,
  });
  assertMatch(
    server.requests[0]!,
    /^GET \/announce\?x=%2F&info_hash=a{20}&\S+&event=started HTTP\/1\.1\r\n/,
  );
  assertMatch(server.requests[0]!, /\r\nauthorization: Basic dTpw\r\n/i);
});
