import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { delay } from "@std/async/delay";
import { exitCodeOf } from "../../src/cli/exit_code.ts";
import {
  readSource,
  type ReadSourceOptions,
  shownSource,
} from "../../src/cli/source.ts";
import { makeTorrent } from "../support/make_torrent.ts";
import { TempFolder } from "../support/temp_folder.ts";

const MIB = 1024 * 1024;

const TORRENT = makeTorrent({ files: 1000 }).bytes;

function read(
  source: string,
  options: Partial<ReadSourceOptions> = {},
): Promise<Uint8Array> {
  return readSource(source, {
    stdin: ReadableStream.from([]),
    signal: new AbortController().signal,
    ...options,
  });
}

/** What reading fails with. */
async function refusal(
  source: string,
  options: Partial<ReadSourceOptions> = {},
): Promise<{ code: number | undefined; message: string }> {
  const error = await assertRejects(() => read(source, options), Error);
  return { code: exitCodeOf(error), message: error.message };
}

function streamOf(...chunks: (string | Uint8Array)[]): ReadableStream {
  const bytes = chunks.map((chunk) =>
    typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk
  );
  return ReadableStream.from(bytes);
}

/** Gives the same bytes for ever. */
function endless(): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    pull: (controller) => controller.enqueue(new Uint8Array(MIB)),
  });
}

/** Gives a byte now and then. */
function dribble(): ReadableStream<Uint8Array<ArrayBuffer>> {
  const left = new AbortController();
  return new ReadableStream({
    async pull(controller) {
      await delay(5, { signal: left.signal });
      controller.enqueue(Uint8Array.of(0x64));
    },
    cancel: () => left.abort(),
  });
}

async function makePipe(path: string): Promise<void> {
  const { success } = await new Deno.Command("mkfifo", { args: [path] })
    .output();
  assert(success);
}

Deno.test("readSource() reads a file", async () => {
  using folder = new TempFolder();
  for (const name of ["a.torrent", 'sp ace\'s "q".torrent', "-n", "ü\n"]) {
    await Deno.writeFile(folder.join(name), TORRENT);
    assertEquals(await read(folder.join(name)), TORRENT);
  }
});

Deno.test("readSource() says what a path is that is no file", async (t) => {
  using folder = new TempFolder();
  const file = folder.join("file");
  await Deno.writeFile(file, TORRENT);
  await Deno.symlink(folder.join("loop"), folder.join("loop"));
  await Deno.symlink(folder.join("gone"), folder.join("dangling"));
  const cases: [path: string, code: number, message: RegExp][] = [
    [folder.join("none"), 3, /^\/.*\/none does not exist$/],
    ["sho", 3, /^sho does not exist; did you mean 'btget show'\?$/],
    ["film", 3, /^film does not exist$/],
    [folder.join("dangling"), 3, /dangling does not exist$/],
    [folder.path, 15, /^\/.* is a folder, not a torrent$/],
    [`${file}/x`, 15, /cannot be read \(Not a directory/],
    [folder.join("loop"), 15, /cannot be read \(Too many levels/],
    [folder.join("x".repeat(300)), 15, /cannot be read \(File name too long/],
    ["ftp://host/x.torrent", 3, /of URLs only http: and https:, not ftp:$/],
    ["file:///etc/passwd", 3, /of URLs only http: and https:, not file:$/],
  ];
  for (const [path, code, message] of cases) {
    await t.step(path.split("/").at(-1)!.slice(0, 20), async () => {
      const found = await refusal(path);
      assertMatch(found.message, message);
      assertEquals(found.code, code);
    });
  }
});

Deno.test("readSource() says what is in a file that is no torrent", async (t) => {
  const gzip = await new Response(
    streamOf(TORRENT).pipeThrough(new CompressionStream("gzip")),
  ).bytes();
  const cases: [content: string | Uint8Array, kind: string][] = [
    ["", "empty"],
    ["<!DOCTYPE html><html>", "a web page"],
    ["\n\n  <html>", "a web page"],
    ["\ufeff<html>", "a web page"],
    ['<?xml version="1.0"?>', "a web page"],
    [gzip, "gzip (unpack it first)"],
    ["PK\x03\x04rest", "a zip archive"],
  ];
  for (const [content, kind] of cases) {
    await t.step(kind, async () => {
      assertEquals(await refusal("-", { stdin: streamOf(content) }), {
        code: 25,
        message: `Standard input is ${kind}, not a torrent`,
      });
    });
  }
});

Deno.test("readSource() reads no more than a torrent can have", async (t) => {
  using folder = new TempFolder();
  await t.step("of a file", async () => {
    const path = folder.join("large");
    using file = await Deno.open(path, { write: true, createNew: true });
    await file.truncate(65 * MIB);
    assertEquals(await refusal(path), {
      code: 26,
      message: `${path} is larger than 64 MiB, which no torrent is`,
    });
  });
  await t.step("of a device without an end", async () => {
    const { code, message } = await refusal("/dev/zero");
    assertEquals(code, 26);
    assertMatch(message, /^\/dev\/zero is larger than 64 MiB/);
  });
  await t.step("of standard input", async () => {
    const { code, message } = await refusal("-", { stdin: endless() });
    assertEquals(code, 26);
    assertMatch(message, /^Standard input is larger than 64 MiB/);
  });
});

Deno.test("readSource() reads standard input in pieces", async () => {
  const bytes = await read("-", {
    stdin: ReadableStream.from((async function* () {
      for (const byte of TORRENT.subarray(0, 100)) {
        await delay(0);
        yield Uint8Array.of(byte);
      }
      yield TORRENT.subarray(100);
    })()),
  });
  assertEquals(bytes, TORRENT);
});

Deno.test("readSource() waits for whoever writes into a pipe", async () => {
  using folder = new TempFolder();
  const path = folder.join("pipe");
  await makePipe(path);
  const reading = read(path);
  const file = await Deno.open(path, { write: true });
  for (let at = 0; at < TORRENT.length; at += 100) {
    await file.write(TORRENT.subarray(at, at + 100));
    await delay(1);
  }
  file.close();
  assertEquals(await reading, TORRENT);
});

Deno.test("readSource() does not wait for ever", async (t) => {
  using folder = new TempFolder();
  const path = folder.join("pipe");
  await makePipe(path);
  await t.step("for somebody to open a pipe", async () => {
    const found = await refusal(path, { silenceMs: 10 });
    assertEquals(found, {
      code: 15,
      message: `${path} says nothing for 0.01 s`,
    });
    // The one who opens it now finds it closed again.
    using file = await Deno.open(path, { write: true });
    await assertRejects(async () => {
      for (let i = 0; i < 1000; i++) {
        await file.write(new Uint8Array(1));
        await delay(1);
      }
    }, Deno.errors.BrokenPipe);
  });
  await t.step("for somebody to write into it", async () => {
    const found = refusal(path, { silenceMs: 10 });
    using _file = await Deno.open(path, { write: true });
    assertEquals(await found, {
      code: 15,
      message: `${path} says nothing for 0.01 s`,
    });
  });
  await t.step("for standard input", async () => {
    let isCancelled = false;
    const stdin = new ReadableStream({
      cancel: () => void (isCancelled = true),
    });
    assertEquals(await refusal("-", { stdin, silenceMs: 10 }), {
      code: 15,
      message: "Standard input says nothing for 0.01 s",
    });
    assert(isCancelled);
  });
});

Deno.test("readSource() stops when it is told to", async (t) => {
  using folder = new TempFolder();
  const path = folder.join("pipe");
  await makePipe(path);
  const reason = new Error("enough");
  await t.step("standard input", async () => {
    const stop = new AbortController();
    const found = refusal("-", {
      stdin: new ReadableStream(),
      signal: stop.signal,
    });
    stop.abort(reason);
    assertEquals((await found).message, "enough");
  });
  await t.step("a pipe", async () => {
    const stop = new AbortController();
    const found = refusal(path, { signal: stop.signal });
    using _file = await Deno.open(path, { write: true });
    stop.abort(reason);
    assertEquals((await found).message, "enough");
  });
  await t.step("a URL", async () => {
    await using server = new Server();
    const stop = new AbortController();
    const found = refusal(server.url("silent"), { signal: stop.signal });
    await server.asked;
    stop.abort(reason);
    assertEquals((await found).message, "enough");
  });
  await t.step("before it began", async () => {
    const signal = AbortSignal.abort(reason);
    assertEquals((await refusal("-", { signal })).message, "enough");
  });
});

/** A web server that does what the path says. */
class Server implements AsyncDisposable {
  /** The headers of the last request. */
  headers = new Headers();
  readonly #asked = Promise.withResolvers<void>();
  readonly #stop = new AbortController();
  readonly #server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: () => {},
    signal: this.#stop.signal,
  }, async (request) => {
    this.headers = request.headers;
    this.#asked.resolve();
    const { pathname } = new URL(request.url);
    const [, answer, ...rest] = pathname.split("/");
    switch (answer) {
      case "torrent":
        return new Response(TORRENT.slice());
      case "status":
        return new Response("no", { status: Number(rest[0]) });
      case "page":
        return new Response("<html>Please log in</html>");
      case "redirect":
        return new Response(null, {
          status: 302,
          headers: { location: `/${rest.join("/")}` },
        });
      case "to-file":
        return new Response(null, {
          status: 302,
          headers: { location: "file:///etc/passwd" },
        });
      case "loop":
        return new Response(null, {
          status: 302,
          headers: { location: request.url },
        });
      case "endless":
        return new Response(endless());
      case "bomb":
        return new Response(await BOMB.then((bomb) => bomb.slice()), {
          headers: { "content-encoding": "gzip" },
        });
      case "dribble":
        return new Response(dribble());
      default: {
        const { promise, resolve } = Promise.withResolvers<Response>();
        this.#stop.signal.addEventListener(
          "abort",
          () => resolve(new Response()),
        );
        return await promise;
      }
    }
  });

  /** Resolves when somebody has asked. */
  get asked(): Promise<void> {
    return this.#asked.promise;
  }

  /** A URL of the server. */
  url(path: string, { user = "" } = {}): string {
    return `http://${user}127.0.0.1:${this.#server.addr.port}/${path}`;
  }

  /** Ends the server, and every connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#server.finished;
  }
}

/** A quarter of a megabyte that becomes more than any torrent can have. */
const BOMB: Promise<Uint8Array<ArrayBuffer>> = new Response(
  ReadableStream.from(Array.from({ length: 80 }, () => new Uint8Array(MIB)))
    .pipeThrough(new CompressionStream("gzip")),
).bytes();

Deno.test("readSource() reads a URL", async (t) => {
  await using server = new Server();
  await t.step("as it is", async () => {
    assertEquals(await read(server.url("torrent")), TORRENT);
    const url = server.url("torrent").replace("http", "HTTP");
    assertEquals(await read(url), TORRENT);
  });
  await t.step("after redirects", async () => {
    const path = "redirect/".repeat(5) + "torrent";
    assertEquals(await read(server.url(path)), TORRENT);
  });
  await t.step("with a user and a password", async () => {
    await read(server.url("torrent?passkey=1", { user: "us%20er:p%40ss@" }));
    assertEquals(
      server.headers.get("authorization"),
      `Basic ${btoa("us er:p@ss")}`,
    );
  });
});

Deno.test("readSource() says what is wrong with a URL", async (t) => {
  await using server = new Server();
  // The port was free a moment ago.
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const closed = `http://127.0.0.1:${listener.addr.port}/x`;
  listener.close();
  const cases: [url: string, code: number, message: RegExp][] = [
    [
      server.url("status/404"),
      3,
      /\/status\/404 answers with HTTP status 404$/,
    ],
    [server.url("status/410"), 3, /answers with HTTP status 410$/],
    [server.url("status/403"), 6, /answers with HTTP status 403$/],
    [server.url("status/500"), 6, /answers with HTTP status 500$/],
    [server.url("redirect/status/404"), 3, /answers with HTTP status 404$/],
    [server.url("page"), 25, /\/page is a web page, not a torrent$/],
    [server.url("loop"), 6, /\/loop redirects more than 5 times$/],
    [server.url("redirect/".repeat(6) + "torrent"), 6, /more than 5 times$/],
    [server.url("to-file"), 6, /^file:\/\/\/etc\/passwd is not an http or/],
    [server.url("endless"), 6, /\/endless sends more than 67108864 bytes$/],
    [server.url("bomb"), 6, /\/bomb sends more than 67108864 bytes$/],
    [server.url("silent"), 6, /\/silent did not answer within 0\.3 s$/],
    [server.url("dribble"), 6, /\/dribble did not answer within 0\.3 s$/],
    [closed, 6, /\/x cannot be asked: .*refused/],
    ["http://", 3, /^http:\/\/ is not a URL$/],
    ["http://[::1/x", 3, /is not a URL$/],
    ["https://127.0.0.1:1/", 6, /cannot be asked: .*blocked$/],
    ["http://no-such-host.invalid/", 6, /cannot be asked: /],
  ];
  for (const [url, code, message] of cases) {
    await t.step(url.replace(/:\d+/, ""), async () => {
      // Long enough for a gzip bomb, short enough for a test.
      const isSlow = /silent|dribble/.test(url);
      const found = await refusal(url, isSlow ? { httpTimeoutMs: 300 } : {});
      assertMatch(found.message, message);
      assertEquals(found.code, code);
    });
  }
});

Deno.test("readSource() keeps the secrets of a URL", async () => {
  await using server = new Server();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const user = "user:secret@";
  const query = "0123456789abcdefsecret0123?passkey=secret";
  for (
    const url of [
      server.url(`status/404/${query}`, { user }),
      server.url(`page/${query}`, { user }),
      server.url(`loop/${query}`, { user }),
      server.url(`endless/${query}`, { user }),
      `http://${user}127.0.0.1:${port}/${query}`,
      `http://${user}no-such-host.invalid/${query}`,
      `https://${user}127.0.0.1:${port}/${query}`,
    ]
  ) {
    assert(!/secret/.test(shownSource(url)), url);
    const { message } = await refusal(url);
    assert(!/secret/.test(message), message);
  }
});

Deno.test("shownSource() calls things by their names", () => {
  assertEquals(shownSource("-"), "Standard input");
  assertEquals(shownSource("a b.torrent"), "a b.torrent");
  assertEquals(shownSource("http://u:p@h/x?y"), "http://h/x");
});
