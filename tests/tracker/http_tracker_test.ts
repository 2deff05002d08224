import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { formatEndpoint } from "../../src/bytes/endpoint.ts";
import { TrackerError } from "../../src/errors.ts";
import {
  announceUrl,
  HttpTracker,
  scrapeUrl,
} from "../../src/tracker/http_tracker.ts";
import type {
  AnnounceRequest,
  AnnounceResponse,
} from "../../src/tracker/tracker.ts";
import { firstAnswer } from "../support/first_answer.ts";
import { TrackerServer } from "../../src/tracker/tracker_server.ts";
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

function peersOf({ peers }: AnnounceResponse): string[] {
  return peers.map(({ endpoint }) => formatEndpoint(endpoint));
}

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
  const { signal } = new AbortController();
  return await firstAnswer(tracker.announce(REQUEST, { signal }));
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
    firstAnswer(tracker.announce(REQUEST, { signal: abort.signal }))
  );
  assertEquals(error, reason);
});

Deno.test("HttpTracker.announce() sends its request, and the password apart", async () => {
  await using server = new RawServer(http("de"));
  const url = `http://u:p@127.0.0.1:${server.port}/announce?x=%2F#y`;
  const request = { ...REQUEST, event: "started" } as const;
  const { signal } = new AbortController();
  await firstAnswer(HttpTracker.at(url)!.announce(request, { signal }));
  assertMatch(
    server.requests[0]!,
    /^GET \/announce\?x=%2F&info_hash=a{20}&\S+&event=started HTTP\/1\.1\r\n/,
  );
  assertMatch(server.requests[0]!, /\r\nauthorization: Basic dTpw\r\n/i);
});

Deno.test("HttpTracker.announce() asks over the families that there are", async (t) => {
  const { signal } = new AbortController();
  const rows: [listens: string, host: string][] = [
    ["127.0.0.1", "127.0.0.1"],
    ["::1", "[::1]"],
    // A name may have one family or both; the server has one.
    ["127.0.0.1", "localhost"],
  ];
  for (const [hostname, host] of rows) {
    await t.step(`${host}, of which ${hostname} answers`, async () => {
      await using server = new TrackerServer({ hostname });
      const url = new URL(server.announceUrl);
      url.hostname = host;
      const tracker = HttpTracker.at(url.href)!;
      const answers = await Array.fromAsync(
        tracker.announce(REQUEST, { signal }),
      );
      assertEquals(answers.map(({ externalAddress }) => externalAddress), [
        hostname,
      ]);
      const request = { ...REQUEST, port: 1 };
      const [second] = await Array.fromAsync(
        tracker.announce(request, { signal }),
      );
      assertEquals(peersOf(second!), [
        hostname === "::1" ? "[::1]:6881" : "127.0.0.1:6881",
      ]);
    });
  }

  await t.step("and fails when none answers", async () => {
    const { port } = new URL(await closedUrl());
    const tracker = HttpTracker.at(`http://localhost:${port}/announce`)!;
    await assertRejects(
      () => tracker.announce(REQUEST, { signal }).next(),
      TrackerError,
      "refused",
    );
  });
});

/** A URL where nobody listens. */
async function closedUrl(): Promise<string> {
  await using server = new TrackerServer();
  return server.announceUrl;
}

Deno.test("scrapeUrl() finds the scrape beside the announce (BEP 48)", async (t) => {
  for (const [tracker, wanted] of vectors.scrapeUrls) {
    await t.step(tracker!, () => {
      const url = scrapeUrl(new URL(tracker!), []);
      assertEquals(url?.href, wanted ?? undefined);
    });
  }
  await t.step("with every torrent", () => {
    const hashes = [bytesOf("a"), new Uint8Array(20)];
    const url = scrapeUrl(new URL("http://a.example/announce?x=y"), hashes);
    assertEquals(
      url?.search,
      `?x=y&info_hash=${"a".repeat(20)}&info_hash=${"%00".repeat(20)}`,
    );
  });
});

function bytesOf(character: string): Uint8Array {
  return new TextEncoder().encode(character.repeat(20));
}

Deno.test("HttpTracker.scrape() tells how torrents stand", async (t) => {
  const { signal } = new AbortController();
  for (const hostname of ["127.0.0.1", "::1"]) {
    await t.step(hostname, async () => {
      await using server = new TrackerServer({ hostname });
      const tracker = HttpTracker.at(server.announceUrl)!;
      for (const [port, left] of [[1, 0], [2, 5], [3, 5]] as const) {
        await firstAnswer(
          tracker.announce({ ...REQUEST, port, left }, { signal }),
        );
      }
      const done = {
        ...REQUEST,
        port: 2,
        left: 0,
        event: "completed",
      } as const;
      await firstAnswer(tracker.announce(done, { signal }));
      const hashes = [REQUEST.infoHash, new Uint8Array(20).fill(0xff)];
      assertEquals(await tracker.scrape(hashes, { signal }), [
        { seeders: 2, completed: 1, leechers: 1 },
        undefined,
      ]);
    });
  }

  await t.step("or why it does not", async () => {
    const scrape = async (answer: string, path = "/announce") => {
      await using server = new RawServer(({ send }) => send(answer));
      const tracker = HttpTracker.at(server.url(path).href)!;
      return await tracker.scrape([REQUEST.infoHash], { signal });
    };
    const rows: [answer: string, path: string, message: string][] = [
      [http("", "404 Not Found"), "/announce", "HTTP status 404"],
      [http("d14:failure reason2:noe"), "/announce", "The tracker says: no"],
      [http("de"), "/announce", "has no files"],
      ["", "/announce", "cannot be asked"],
      [http("de"), "/announce/x", "cannot be scraped"],
    ];
    for (const [answer, path, message] of rows) {
      await assertRejects(() => scrape(answer, path), TrackerError, message);
    }
  });
});
