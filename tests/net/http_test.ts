import {
  assert,
  assertEquals,
  assertMatch,
  assertNotMatch,
  assertRejects,
} from "@std/assert";
import { NetworkError } from "../../src/errors.ts";
import {
  displayUrl,
  httpGet,
  type HttpGetOptions,
} from "../../src/net/http.ts";
import { hasProgram, runChild } from "../support/child.ts";
import { RawServer } from "../support/raw_server.ts";
import { TempFolder } from "../support/temp_folder.ts";
import vectors from "../../testdata/tracker_vectors.json" with { type: "json" };

const GET = new URL("children/get.ts", import.meta.url);

/** Long enough for what answers at once, however busy the machine is. */
const PATIENT_MS = 10_000;

/** For what never answers. */
const IMPATIENT_MS = 20;

const OK = "HTTP/1.1 200 OK\r\n";

function get(url: URL, options: Partial<HttpGetOptions> = {}) {
  return httpGet(url, {
    maxBytes: 1000,
    timeoutMs: PATIENT_MS,
    signal: new AbortController().signal,
    ...options,
  });
}

async function textOf(url: URL, options: Partial<HttpGetOptions> = {}) {
  const { status, body } = await get(url, options);
  return `${status} ${new TextDecoder().decode(body)}`;
}

function answer(body: string, { status = "200 OK" } = {}): string {
  const head = `Connection: close\r\nContent-Length: ${body.length}`;
  return `HTTP/1.1 ${status}\r\n${head}\r\n\r\n${body}`;
}

function redirect(location: string): string {
  const head =
    `Connection: close\r\nLocation: ${location}\r\nContent-Length: 0`;
  return `HTTP/1.1 302 Found\r\n${head}\r\n\r\n`;
}

Deno.test("httpGet() gives status and body, whatever the status", async () => {
  for (const status of ["200 OK", "404 Not Found", "500 Oops", "304 Same"]) {
    const body = status.startsWith("304") ? "" : "the body";
    await using server = new RawServer(answer(body, { status }));
    assertEquals(await textOf(server.url()), `${status.slice(0, 3)} ${body}`);
  }
});

Deno.test("httpGet() asks politely, and for nothing that it was not told", async () => {
  await using server = new RawServer(answer("x"));
  await get(server.url("/a/b?c=%00%ff&d#secret"));
  const [request] = server.requests;
  assertMatch(request!, /^GET \/a\/b\?c=%00%ff&d HTTP\/1\.1\r\n/);
  assertMatch(request!, /\r\nuser-agent: btget\/\S+\r\n/i);
  assertMatch(request!, /\r\nconnection: close\r\n/i);
  assertNotMatch(request!, /secret|cookie|referer|authorization/i);
});

Deno.test("httpGet() understands HTTP as others do, and fails in one way", async (t) => {
  for (const { input, body } of vectors.httpMessages) {
    await t.step(JSON.stringify(input).slice(0, 70), async () => {
      await using server = new RawServer(input);
      if (body !== null) {
        assertEquals(await textOf(server.url()), `200 ${body}`);
      } else {
        await assertRejects(() => get(server.url()), NetworkError);
      }
    });
  }
});

Deno.test("httpGet() survives what is not HTTP", async (t) => {
  const answers: Record<string, string | Uint8Array> = {
    "nothing": "",
    "HTTP/0.9": "just a body",
    "half a status line": "HTTP/1.1 20",
    "a status that is no number": "HTTP/1.1 abc OK\r\n\r\n",
    "half a head": `${OK}Content-Le`,
    "less than it promises": `${OK}Content-Length: 10\r\n\r\nabc`,
    "half a chunk": `${OK}Transfer-Encoding: chunked\r\n\r\nff\r\nabc`,
    "a negative length": `${OK}Content-Length: -5\r\n\r\nabc`,
    "two lengths": `${OK}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc`,
    "a length that is no number": `${OK}Content-Length: x\r\n\r\nabc`,
    "a header of 1 MiB": `${OK}X: ${"x".repeat(1024 * 1024)}\r\n\r\n`,
    "500 headers": `${OK}${"X: y\r\n".repeat(500)}\r\n`,
    "a broken gzip":
      `${OK}Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd`,
    "bytes": new Uint8Array(2000).fill(0xff),
    "TLS": Uint8Array.of(0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0),
  };
  for (const [name, bytes] of Object.entries(answers)) {
    await t.step(name, async () => {
      await using server = new RawServer(({ send }) => send(bytes));
      const error = await assertRejects(() => get(server.url()), NetworkError);
      assertMatch(error.message, /^http:\/\/127\.0\.0\.1:\d+\/ /);
    });
  }
});

Deno.test("httpGet() takes as many bytes as it may, and not one more", async () => {
  await using server = new RawServer(answer("x".repeat(1000)));
  assertEquals((await get(server.url())).body.length, 1000);
  await assertRejects(
    () => get(server.url(), { maxBytes: 999 }),
    NetworkError,
    "sends more than 999 bytes",
  );
});

Deno.test("httpGet() ends a body that has no end", async (t) => {
  const heads = {
    "of no length": OK,
    "of a great length": `${OK}Content-Length: 1000000000000\r\n`,
    "in chunks": `${OK}Transfer-Encoding: chunked\r\n`,
  };
  for (const [name, head] of Object.entries(heads)) {
    await t.step(name, async () => {
      let sent = 0;
      await using server = new RawServer(async ({ send }) => {
        await send(`${head}\r\n`);
        for (;;) {
          await send(`1000\r\n${"x".repeat(4096)}\r\n`);
          sent += 4096;
        }
      });
      await assertRejects(
        () => get(server.url(), { maxBytes: 100_000 }),
        NetworkError,
        "sends more than 100000 bytes",
      );
      assert(sent < 50_000_000, `${sent}`);
    });
  }
});

Deno.test("httpGet() does not inflate a bomb", async () => {
  const zeros = new Blob([new Uint8Array(50 * 1024 * 1024)]).stream();
  const bomb = await new Response(
    zeros.pipeThrough(new CompressionStream("gzip")),
  ).bytes();
  assert(bomb.length < 60_000, `${bomb.length}`);
  await using server = new RawServer(async ({ send }) => {
    const head = `Content-Encoding: gzip\r\nContent-Length: ${bomb.length}`;
    await send(`${OK}${head}\r\n\r\n`);
    await send(bomb);
  });
  await assertRejects(
    () => get(server.url(), { maxBytes: 1024 * 1024 }),
    NetworkError,
    "sends more than 1048576 bytes",
  );
});

Deno.test("httpGet() waits no longer than it was told", async (t) => {
  const starts = {
    "for a head": "",
    "for the rest of a head": `${OK}Content-Le`,
    "for a body": `${OK}Content-Length: 10\r\n\r\n`,
    "for the rest of a body": `${OK}Content-Length: 10\r\n\r\nabc`,
    "for the next chunk": `${OK}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n`,
  };
  for (const [name, start] of Object.entries(starts)) {
    await t.step(name, async () => {
      await using server = new RawServer(async ({ send, closed }) => {
        await send(start);
        await closed;
      });
      await assertRejects(
        () => get(server.url(), { timeoutMs: IMPATIENT_MS }),
        NetworkError,
        "did not answer within 0.02 s",
      );
    });
  }

  await t.step("for a byte at a time", async () => {
    let isClosed = false;
    await using server = new RawServer(async ({ send, closed }) => {
      closed.then(() => isClosed = true);
      await send(`${OK}Content-Length: 1000000\r\n\r\n`);
      while (!isClosed) await send("x");
    });
    await assertRejects(
      () => get(server.url(), { timeoutMs: IMPATIENT_MS, maxBytes: 1e9 }),
      NetworkError,
      "did not answer within",
    );
  });

  await t.step("for a chain of redirects together", async () => {
    await using silent = new RawServer(({ closed }) => closed);
    await using server = new RawServer(redirect(silent.url().href));
    await assertRejects(
      () => get(server.url(), { timeoutMs: IMPATIENT_MS }),
      NetworkError,
      "did not answer within",
    );
  });
});

Deno.test("httpGet() throws the reason when it is aborted", async () => {
  const abort = new AbortController();
  const reason = new Error("enough");
  await using server = new RawServer(async ({ send, closed }) => {
    await send(`${OK}Content-Length: 10\r\n\r\nabc`);
    abort.abort(reason);
    await closed;
  });
  for (let i = 0; i < 2; i++) {
    const error = await assertRejects(() =>
      get(server.url(), { signal: abort.signal })
    );
    assertEquals(error, reason);
  }
});

Deno.test("httpGet() says what failed, and nothing that is secret", async () => {
  const secret = "/announce?passkey=secret";
  const refuses = new RawServer("");
  const urls: Record<string, URL> = {
    "Connection refused": refuses.url(secret),
    "failed to lookup address": new URL(secret, `http://${"a".repeat(64)}/`),
  };
  await refuses[Symbol.asyncDispose]();
  await using server = new RawServer(`${OK}Content-Length: -5\r\n\r\n`);
  urls["invalid content-length"] = server.url(secret);
  for (const [reason, url] of Object.entries(urls)) {
    const error = await assertRejects(() => get(url), NetworkError, reason);
    assert(error.message.startsWith(`${displayUrl(url)} cannot be asked: `));
    assertNotMatch(error.message, /secret/);
  }
  // The same words come from a Deno that puts them into one sentence.
  const { fetch } = globalThis;
  try {
    for (
      const message of [
        "error sending request for url (http://a.example/?secret): client error (Connect): refused",
        "error reading http://a.example/?secret",
      ]
    ) {
      globalThis.fetch = () => Promise.reject(new TypeError(message));
      const error = await assertRejects(() => get(server.url()), NetworkError);
      assertNotMatch(error.message, /secret/);
    }
  } finally {
    globalThis.fetch = fetch;
  }
});

Deno.test("httpGet() trusts no certificate that nobody vouches for", {
  ignore: !hasProgram("openssl"),
}, async () => {
  using folder = new TempFolder();
  const [key, cert] = ["key.pem", "cert.pem"].map((name) => folder.join(name));
  const { success } = await new Deno.Command("openssl", {
    args: [
      ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes".split(
        " ",
      ),
      ..."-days 2 -subj /CN=localhost -addext".split(" "),
      "subjectAltName=DNS:localhost,IP:127.0.0.1",
      ...["-keyout", key!, "-out", cert!],
    ],
    stderr: "null",
  }).output();
  assert(success);
  let isAsked = false;
  await using server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    key: await Deno.readTextFile(key!),
    cert: await Deno.readTextFile(cert!),
    onListen: () => {},
  }, () => {
    isAsked = true;
    return new Response("x");
  });
  await assertRejects(
    () => get(new URL(`https://127.0.0.1:${server.addr.port}/`)),
    NetworkError,
    "certificate",
  );
  assert(!isAsked);
});

Deno.test("httpGet() refuses what is not HTTP before it does anything", async () => {
  const urls = [
    import.meta.url,
    "data:text/plain,x",
    "javascript:alert(1)",
    "ftp://127.0.0.1/x",
    "ws://127.0.0.1/x",
    "blob:null/x",
  ];
  for (const url of urls) {
    await assertRejects(
      () => get(new URL(url)),
      NetworkError,
      "is not an http or https URL",
    );
    await using server = new RawServer(redirect(url));
    await assertRejects(
      () => get(server.url()),
      NetworkError,
      "is not an http or https URL",
    );
  }
});

Deno.test("httpGet() follows redirects, but not for ever", async (t) => {
  await t.step("five of them", async () => {
    await using server = new RawServer(({ request, send }) => {
      const n = Number(/^GET \/(\d+)/.exec(request)![1]);
      return send(n === 0 ? answer("there") : redirect(`/${n - 1}`));
    });
    assertEquals(await textOf(server.url("/5")), "200 there");
    server.requests.length = 0;
    await assertRejects(
      () => get(server.url("/6")),
      NetworkError,
      "redirects more than 5 times",
    );
    assertEquals(server.requests.length, 6);
  });

  await t.step("a loop", async () => {
    await using server = new RawServer(redirect("/"));
    await assertRejects(() => get(server.url()), NetworkError, "5 times");
  });

  await t.step("with a body that has no end", async () => {
    await using target = new RawServer(answer("there"));
    await using server = new RawServer(async ({ send }) => {
      await send(`HTTP/1.1 302 Found\r\nLocation: ${target.url()}\r\n\r\n`);
      for (;;) await send("x".repeat(4096));
    });
    assertEquals(await textOf(server.url()), "200 there");
  });

  await t.step("to nowhere", async () => {
    for (const location of ["http://", "http://[", "http://a:99999/"]) {
      await using server = new RawServer(redirect(location));
      await assertRejects(() => get(server.url()), NetworkError, "to nowhere");
    }
  });

  await t.step("without a location it is an answer", async () => {
    const status = "302 Found";
    await using server = new RawServer(answer("here", { status }));
    assertEquals(await textOf(server.url()), "302 here");
  });
});

Deno.test("httpGet() asks for leave at every step", async () => {
  await using target = new RawServer(answer("there"));
  await using server = new RawServer(redirect(target.url("/b").href));
  const asked: string[] = [];
  const refuse = ({ pathname }: URL) => {
    asked.push(pathname);
    return pathname === "/b" ? "is not for you" : undefined;
  };
  await assertRejects(
    () => get(server.url("/a"), { refuse }),
    NetworkError,
    "/b is not for you",
  );
  assertEquals(asked, ["/a", "/b"]);
  assertEquals(target.requests, []);
});

Deno.test("httpGet() tells a password to its own server only", async (t) => {
  const authorization = (request: string | undefined) =>
    /^authorization: (.*)$/im.exec(request ?? "")?.[1]?.trim();
  const urlWith = (server: RawServer, credentials: string) =>
    new URL(`http://${credentials}@127.0.0.1:${server.port}/`);

  await t.step("as basic authorization", async () => {
    await using server = new RawServer(answer("x"));
    for (
      const pair of ["user:pass", "user:", "us%3Aer:p%40ss", "%C3%BC:%E2%82%AC"]
    ) {
      await get(urlWith(server, pair));
    }
    const pairs = server.requests.map((request) =>
      new TextDecoder().decode(
        Uint8Array.from(
          atob(authorization(request)!.replace("Basic ", "")),
          (character) => character.charCodeAt(0),
        ),
      )
    );
    assertEquals(pairs, ["user:pass", "user:", "us:er:p@ss", "ü:€"]);
    const hosts = server.requests.map((request) =>
      /^host: (.*)$/im.exec(request)?.[1]
    );
    assertEquals(new Set(hosts).size, 1);
  });

  await t.step("also where that redirects to itself", async () => {
    await using server = new RawServer(({ request, send }) =>
      send(request.startsWith("GET /b") ? answer("x") : redirect("/b"))
    );
    await get(urlWith(server, "user:pass"));
    assertEquals(
      server.requests.map(authorization),
      ["Basic dXNlcjpwYXNz", "Basic dXNlcjpwYXNz"],
    );
  });

  await t.step("and to no other", async () => {
    await using target = new RawServer(answer("x"));
    const urls = [target.url(), urlWith(target, "other:word")];
    for (const { href } of urls) {
      await using server = new RawServer(redirect(href));
      await get(urlWith(server, "user:pass"));
    }
    assertEquals(target.requests.map(authorization), [undefined, undefined]);
  });

  await t.step("and fails when it cannot be read", async () => {
    await using server = new RawServer(answer("x"));
    await assertRejects(() => get(urlWith(server, "a%ff:b")), NetworkError);
  });
});

/**
 * Gets URLs of servers outside, in whose place one of this machine answers.
 * They are addresses: Deno would ask the real world for names.
 */
async function throughProxy(
  urls: string[],
  answers: (url: string) => string,
): Promise<{ outcomes: string[]; requests: string[] }> {
  await using proxy = new RawServer(({ request, send }) =>
    send(answers(request.split(" ")[1]!))
  );
  const outcomes = await runChild<string[]>(GET, {
    permissions: ["--allow-net"],
    args: urls,
    env: { HTTP_PROXY: proxy.url().href, NO_PROXY: "", no_proxy: "" },
  });
  return { outcomes, requests: proxy.requests };
}

Deno.test("httpGet() resolves a redirect against where it stands", async () => {
  for (const [base, location, result] of vectors.redirects) {
    const { outcomes, requests } = await throughProxy(
      [base!],
      (url) =>
        url === new URL(base!).href ? redirect(location!) : answer("there"),
    );
    assertEquals(outcomes, ["200 there"]);
    assertEquals(
      requests.map((request) => request.split(" ")[1]),
      [new URL(base!).href, result],
    );
  }
});

Deno.test("httpGet() knows the same origin", async () => {
  for (const [from, to, isSame] of vectors.sameOrigin) {
    const start = new URL(from as string);
    [start.username, start.password] = ["user", "pass"];
    let step = 0;
    const { requests } = await throughProxy(
      [start.href],
      () => step++ === 0 ? redirect(to as string) : answer("there"),
    );
    assertMatch(requests[0]!, /\r\nauthorization: Basic/i);
    assertEquals(
      /\r\nauthorization:/i.test(requests[1]!),
      isSame,
      to as string,
    );
  }
});

Deno.test("httpGet() is not led from outside into this network", async () => {
  const outside = "http://192.0.2.1/announce";
  const inside = [
    "http://127.0.0.1:9/",
    "http://127.1/",
    "http://2130706433/",
    "http://localhost/announce",
    "http://LOCALHOST./",
    "http://a.localhost/",
    "http://0.0.0.0/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:0.0.0.0]/",
    "http://10.1.2.3/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.1.1/",
    "http://[::ffff:192.168.1.1]/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.64.0.1/",
    "http://[fd00::1]/",
    "http://[fe80::1]/",
    "http://router/",
    "http://printer.local/",
  ];
  const urls = inside.map((_, i) => `${outside}?${i}`);
  const { outcomes, requests } = await throughProxy(
    urls,
    (url) => redirect(inside[Number(url.split("?")[1])]!),
  );
  const refused = `${outside} redirects into this network`;
  assertEquals(outcomes, inside.map(() => refused));
  assertEquals(requests.length, inside.length);
});

Deno.test("displayUrl() hides what is secret", () => {
  const rows = [
    [
      "http://user:pass@a.example/announce?passkey=x#y",
      "http://a.example/announce",
    ],
    [
      "https://a.example:8443/0123456789abcdef0123/announce",
      "https://a.example:8443/…/announce",
    ],
    ["http://a.example/announce.php", "http://a.example/announce.php"],
    ["http://a.example/%1b%5b2J", "http://a.example/%1b%5b2J"],
  ];
  for (const [url, shown] of rows) {
    assertEquals(displayUrl(new URL(url!)), shown);
  }
});
