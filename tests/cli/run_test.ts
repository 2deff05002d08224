/**
 * The whole program in this process, with streams that can be looked into.
 */

import {
  assert,
  assertEquals,
  assertGreater,
  assertLessOrEqual,
  assertMatch,
  assertNotMatch,
} from "@std/assert";
import { delay } from "@std/async/delay";
import { formatEndpoint } from "../../src/bytes/endpoint.ts";
import { run } from "../../src/cli/run.ts";
import { FakePeer } from "../support/fake_peer.ts";
import { parseJsonLines } from "../support/json_lines.ts";
import { makeForm } from "../support/make_form.ts";
import {
  checkPayload,
  makeTorrent,
  writePayload,
} from "../support/make_torrent.ts";
import { peersAnswer, RecordingTracker } from "../support/recording_tracker.ts";
import { namesIn, Scene, SLOW } from "../support/scene.ts";
import { CapturedSink, TestEnv } from "../support/test_env.ts";

const KIB = 1024;

/** Runs the program to its end. */
async function runIn(env: TestEnv, ...args: string[]): Promise<number> {
  const code = await run(args, env);
  // Nobody is left who would hear of a signal.
  assertEquals(env.listenerCount, 0);
  return code;
}

Deno.test("run() downloads from the peers that a tracker names", async () => {
  const files = { "a": 100 * KIB, "sub/b": 50 * KIB };
  await using peer = new FakePeer(makeTorrent({ files, name: "films" }));
  await using tracker = new RecordingTracker(() => peersAnswer(peer.endpoint));
  using scene = new Scene(
    makeTorrent({ files, name: "films", trackers: [tracker.announceUrl] }),
  );
  const env = new TestEnv();
  const code = await runIn(env, ...scene.args());
  assertEquals(code, 0, env.stderr.text);
  checkPayload(scene.made, scene.downloads);
  assertEquals(tracker.events.slice(0, 1), ["started"]);
  assertEquals(tracker.events.at(-1), "stopped");
  assertEquals(env.stdout.text, "");
});

Deno.test("run() asks no tracker when it is told not to", async () => {
  await using tracker = new RecordingTracker(() => peersAnswer());
  using scene = new Scene(
    makeTorrent({ files: 100 * KIB, trackers: [tracker.announceUrl] }),
  );
  await using peer = new FakePeer(scene.made);
  assertEquals(
    await runIn(new TestEnv(), ...scene.args(peer), "--no-tracker"),
    0,
  );
  assertEquals(tracker.announces, []);
});

Deno.test("run() calls the download what the user calls it", async () => {
  using scene = new Scene(
    makeTorrent({ files: { "a": 10, "sub/b": 20 }, name: "films" }),
  );
  await using peer = new FakePeer(scene.made);
  const env = new TestEnv();
  await runIn(env, ...scene.args(peer), "--out=mine", "--progress=json");
  assertEquals(namesIn(scene.downloads), ["mine"]);
  assertEquals(namesIn(`${scene.downloads}/mine`), ["a", "sub"]);
  const torrent = parseJsonLines(env.stderr.text)
    .find(({ type }) => type === "torrent")!;
  assertEquals(torrent.name, "films");
  assertEquals(torrent.path, `${scene.downloads}/mine`);
});

Deno.test("run() goes on without a port that others can connect to", async () => {
  using taken = Deno.listen({ hostname: "0.0.0.0", port: 0 });
  using scene = new Scene(makeTorrent({ files: 100 * KIB }));
  await using peer = new FakePeer(scene.made);
  const env = new TestEnv();
  const code = await runIn(
    env,
    ...scene.args(peer),
    `--listen-port=${taken.addr.port}`,
  );
  assertEquals(code, 0, env.stderr.text);
  checkPayload(scene.made, scene.downloads);
});

Deno.test("run() works on as many torrents at a time as it is told to", async (t) => {
  for (const concurrent of [1, 2, 5]) {
    await t.step(`-j ${concurrent}`, async () => {
      await using stack = new AsyncDisposableStack();
      const all = Array.from(
        { length: 5 },
        (_, i) =>
          makeTorrent({ files: 100 * KIB, name: `film${i}`, seed: i + 1 }),
      );
      using scene = new Scene(all[0]!);
      const peers = all.map((made) => stack.use(new FakePeer(made, SLOW)));
      // Everybody is dialled for every torrent, and serves one.
      const paths = await Promise.all(all.map(async (made, i) => {
        const path = scene.folder.join(`${i}.torrent`);
        await Deno.writeFile(path, made.bytes);
        return path;
      }));
      const env = new TestEnv();
      const code = await runIn(
        env,
        ...scene.args(...peers).slice(1),
        `-j${concurrent}`,
        "--progress=json",
        ...paths,
      );
      assertEquals(code, 0, env.stderr.text);
      for (const made of all) checkPayload(made, scene.downloads);
      // At no time were more begun than ended, but for so many.
      let running = 0;
      let mostRunning = 0;
      for (const { type } of parseJsonLines(env.stderr.text)) {
        if (type === "torrent") running++;
        if (type === "result") running--;
        mostRunning = Math.max(mostRunning, running);
      }
      assertEquals(mostRunning, concurrent);
    });
  }
});

Deno.test("run() shows one line for several torrents", async () => {
  await using stack = new AsyncDisposableStack();
  const all = [1, 2, 3].map((seed) =>
    makeTorrent({ files: 400 * KIB, name: `film${seed}`, seed })
  );
  using scene = new Scene(all[0]!);
  const peers = all.map((made) =>
    stack.use(
      new FakePeer(made, {
        serve: async (_, right) => {
          await delay(20);
          return right;
        },
      }),
    )
  );
  const paths = await Promise.all(all.map(async (made, i) => {
    const path = scene.folder.join(`${i}.torrent`);
    await Deno.writeFile(path, made.bytes);
    return path;
  }));
  const env = new TestEnv({
    stderr: new CapturedSink({ isTerminal: true, columns: 100 }),
  });
  const code = await runIn(env, ...scene.args(...peers).slice(1), ...paths);
  assertEquals(code, 0, env.stderr.text);
  assertMatch(env.stderr.text, /\r\w+ {2}3 torrents {2}/);
  assertEquals(env.stderr.text.match(/btget: film\d: complete/g)?.length, 3);
  assertMatch(env.stderr.text, /btget: 3 of 3 complete\n$/);
});

Deno.test("run() sums up in its last line, whatever the form and the end", async (t) => {
  const made = makeTorrent({ files: 100 * KIB, name: "film" });
  for (const form of ["auto", "bar", "line", "json", "none"]) {
    for (const isTerminal of [true, false]) {
      await t.step(`${form} ${isTerminal ? "terminal" : "file"}`, async () => {
        using scene = new Scene(made);
        await using peer = new FakePeer(made);
        await using mute = new FakePeer(made, { unchokes: false });
        const lastLine = async (args: string[]) => {
          const env = new TestEnv({ stderr: new CapturedSink({ isTerminal }) });
          await runIn(env, ...args, `--progress=${form}`);
          assertEquals(env.stderr.text.at(-1), "\n");
          return env.stderr.lines.at(-1)!.split("\r").at(-1)!;
        };
        const isJson = form === "json";
        assertMatch(
          await lastLine([...scene.args(mute), "--stall-timeout=0.3"]),
          isJson
            ? /^\{"type":"summary","exitCode":[56],"complete":0,"incomplete":1,/
            : /^btget: film: Gave up after 0\.3 s .* \(0\.0% verified\)$/,
        );
        assertMatch(
          await lastLine(scene.args(peer)),
          isJson
            ? /^\{"type":"summary","exitCode":0,"complete":1,"incomplete":0,/
            : /^btget: film: complete, 100\.0 KiB verified; 100\.0 KiB/,
        );
        assertMatch(
          await lastLine([...scene.args(peer), "/no/such"]),
          isJson
            ? /^\{"type":"summary","exitCode":3,"complete":1,"incomplete":1,/
            : /^btget: 1 of 2 complete$/,
        );
      });
    }
  }
});

Deno.test("run() says errors only when it is to be quiet", async (t) => {
  using scene = new Scene(makeTorrent({ files: 100 * KIB, name: "film" }));
  await t.step("an error", async () => {
    const env = new TestEnv();
    const code = await runIn(
      env,
      ...scene.args(),
      "-q",
      "--stall-timeout=0.3",
    );
    assertEquals(code, 6);
    assertEquals(env.stderr.lines.length, 1);
    assertMatch(env.stderr.text, /^btget: film: Gave up after 0\.3 s/);
  });
  await t.step("no error", async () => {
    await using peer = new FakePeer(scene.made);
    const env = new TestEnv();
    assertEquals(await runIn(env, ...scene.args(peer), "-q"), 0);
    assertEquals([env.stdout.text, env.stderr.text], ["", ""]);
  });
});

/** What strangers say to take over a terminal. */
const EVIL = "\x1b[2J\x1b]0;owned\x07\r\n\x9b31m\u202e\u2028";

Deno.test("run() passes nothing on that a terminal obeys", async (t) => {
  const files = 64 * KIB;
  const peerId = new TextEncoder().encode("\x1b]0;owned\x07\x9b\r\n-XXXXXXX")
    .slice(0, 20);
  for (const form of ["bar", "line", "json", "none"]) {
    for (const verbose of [[], ["-v"]]) {
      await t.step(`${form} ${verbose}`, async () => {
        const info = { files, name: `film ${EVIL}` };
        await using peer = new FakePeer(makeTorrent(info), { peerId });
        await using liar = new FakePeer(makeTorrent(info), {
          peerId: peerId.with(19, 1),
          serve: (_, right) => right.map((byte) => byte ^ 1),
        });
        await using polite = new RecordingTracker(() => ({
          interval: 1800,
          peers: new Uint8Array(),
          "warning message": `warning ${EVIL}`,
        }));
        await using rude = new RecordingTracker(() => ({
          "failure reason": `failure ${EVIL}`,
        }));
        await using broken = new RecordingTracker(() =>
          new Response(EVIL, { status: 500, statusText: "no" })
        );
        using scene = new Scene(makeTorrent({
          ...info,
          trackers: [
            broken.announceUrl,
            rude.announceUrl,
            polite.announceUrl,
            `udp://tracker/${EVIL}`,
            EVIL,
          ],
          extra: { comment: EVIL, "created by": EVIL, "url-list": EVIL },
        }));
        const env = new TestEnv({
          stderr: new CapturedSink({ isTerminal: true, columns: 70 }),
        });
        const code = await runIn(
          env,
          ...scene.args(liar, peer),
          `--progress=${form}`,
          ...verbose,
        );
        assertEquals(code, 0, env.stderr.text);
        assertMatch(env.stderr.text, /film /);
        const rest = env.stderr.text.replaceAll(/[\r\n]/g, "");
        assertNotMatch(rest, /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
        assertEquals(env.stdout.text, "");
        if (form === "json") parseJsonLines(env.stderr.text);

        const shown = new TestEnv();
        assertEquals(await runIn(shown, "-S", scene.torrentPath), 0);
        assertNotMatch(
          shown.stdout.text.replaceAll("\n", ""),
          /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u,
        );
        assertMatch(shown.stdout.text, /^Comment: \\x1b\[2J/m);
      });
    }
  }
});

Deno.test("run() keeps the secrets of trackers and of sources", async () => {
  const secret = "0123456789abcdef0123456789abcdef";
  await using refusing = new RecordingTracker(() => ({
    "failure reason": "unregistered",
  }));
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  using scene = new Scene(makeTorrent({
    files: 100 * KIB,
    trackers: [
      `http://${refusing.host}/announce/${secret}`,
      `http://user:${secret}@${refusing.host}/announce?passkey=${secret}`,
      `http://127.0.0.1:${port}/announce?passkey=${secret}`,
      `http://no-such-host.invalid/${secret}/announce?passkey=${secret}`,
      `udp://user:${secret}@tracker/${secret}?${secret}`,
    ],
  }));
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response(scene.made.bytes.slice()),
  );
  const url = `http://user:${secret}@127.0.0.1:${server.addr.port}/${secret}` +
    `?passkey=${secret}`;
  for (const form of ["line", "json"]) {
    const env = new TestEnv();
    const running = runIn(
      env,
      url,
      ...scene.args().slice(1),
      `--progress=${form}`,
      "-v",
    );
    while (!env.stderr.text.includes("no-such-host")) await delay(1);
    env.interrupt();
    assertEquals(await running, 7);
    assert(!env.stderr.text.includes(secret), env.stderr.text);
    assertMatch(env.stderr.text, /unregistered/);
    assertMatch(env.stderr.text, /cannot be asked/);
  }
  assertGreater(refusing.announces.length, 0);
});

Deno.test("run() keeps the promises of its JSON lines", async (t) => {
  await t.step("in a download with everything that can happen", async () => {
    const files = 300 * KIB;
    await using peer = new FakePeer(makeTorrent({ files }), SLOW);
    await using liar = new FakePeer(makeTorrent({ files }), {
      serve: (_, right) => right.map((byte) => byte ^ 1),
    });
    await using tracker = new RecordingTracker(() =>
      peersAnswer(peer.endpoint, liar.endpoint)
    );
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const closed = { endpoint: { ...listener.addr } };
    listener.close();
    using scene = new Scene(
      makeTorrent({
        files,
        trackers: [
          `http://${formatEndpoint(closed.endpoint)}/announce`,
          tracker.announceUrl,
        ],
      }),
    );
    const env = new TestEnv();
    const code = await runIn(
      env,
      ...scene.args(closed),
      "--progress=json",
      "-v",
    );
    assertEquals(code, 0, env.stderr.text);
    const records = parseJsonLines(env.stderr.text);
    const types = new Set(records.map(({ type }) => type));
    for (
      const type of [
        "start",
        "torrent",
        "phase",
        "progress",
        "piece",
        "tracker_answered",
        "tracker_failed",
        "peer_connected",
        "peer_unreachable",
        "result",
        "summary",
      ]
    ) assert(types.has(type), type);
    assertEquals(
      records.filter(({ type }) => type === "phase").map(({ phase }) => phase),
      ["checking", "downloading", "complete"],
    );
    const pieces = records.filter(({ type }) => type === "piece")
      .map(({ index }) => index as number);
    assertEquals(
      pieces.sort((a, b) => a - b),
      Array.from({ length: 10 }, (_, i) => i),
    );
    let last = 0;
    for (const record of records.filter(({ type }) => type === "progress")) {
      const verified = record.verifiedBytes as number;
      assertLessOrEqual(last, verified);
      assertLessOrEqual(verified, files);
      last = verified;
    }
    assertEquals(last, files);
  });
  await t.step("when a permission or a source is missing", async () => {
    const env = new TestEnv();
    const code = await runIn(env, "/no/such", "magnet:?x", "--progress=json");
    assertEquals(code, 27);
    const results = parseJsonLines(env.stderr.text)
      .filter(({ type }) => type === "result");
    assertEquals(
      results.map(({ source, infoHash, name, exitCode }) => ({
        source,
        infoHash,
        name,
        exitCode,
      })).sort((a, b) => Number(a.exitCode) - Number(b.exitCode)),
      [
        { source: "/no/such", infoHash: null, name: null, exitCode: 3 },
        { source: "magnet:?x", infoHash: null, name: null, exitCode: 27 },
      ],
    );
  });
});

Deno.test("run() stops when it is asked to", async (t) => {
  const made = makeTorrent({ files: 2048 * KIB, name: "film" });
  await t.step("once", async () => {
    using scene = new Scene(made);
    await using peer = new FakePeer(made, SLOW);
    const env = new TestEnv();
    const running = runIn(env, ...scene.args(peer), "--progress=none");
    while (peer.sentBytes < 200 * KIB) await delay(1);
    env.interrupt();
    assertEquals(await running, 7);
    assertMatch(env.stderr.lines.at(0)!, /^Stopping; once more stops at once$/);
    assertMatch(
      env.stderr.lines.at(-1)!,
      /^btget: film: stopped; run the same command to go on \([\d.]+% verified\)$/,
    );
    assertEquals(namesIn(scene.downloads), ["film", "film.btget"]);
  });
  await t.step("by the clock, what waits as well", async () => {
    using scene = new Scene(made);
    const env = new TestEnv();
    const code = await runIn(
      env,
      ...scene.args(),
      "/no/such",
      "-j1",
      "--stop=0.3",
    );
    assertEquals(code, 7);
    assertMatch(
      env.stderr.text,
      /^btget: film: stopped after 0\.3 s, as --stop/m,
    );
    assertMatch(
      env.stderr.text,
      /^btget: \/no\/such: stopped after 0\.3 s, as/m,
    );
    assertMatch(env.stderr.text, /\nbtget: 0 of 2 complete\n$/);
  });
});

Deno.test("run() checks only when it is told to", async (t) => {
  const made = makeTorrent({ files: 300 * KIB, name: "film" });
  await t.step("good data", async () => {
    using scene = new Scene(made);
    await Deno.mkdir(scene.downloads);
    writePayload(made, scene.downloads);
    const env = new TestEnv();
    const args = [...scene.args(), "--hash-check-only", "--progress=none"];
    assertEquals(await runIn(env, ...args), 0);
    assertEquals(
      env.stderr.text,
      "btget: film: complete, 300.0 KiB verified on disk\n",
    );
  });
  await t.step("nothing", async () => {
    using scene = new Scene(made);
    const env = new TestEnv();
    assertEquals(await runIn(env, ...scene.args(), "--hash-check-only"), 32);
    assertMatch(env.stderr.text, /film: 10 of 10 pieces missing or not match/);
  });
});

Deno.test("run() checks torrents for v2", async (t) => {
  const files = { a: 40 * KIB, b: 1, c: 0 };
  for (const form of ["v2", "hybrid"] as const) {
    await t.step(form, async () => {
      using scene = new Scene(makeForm({ form, files, name: "film" }));
      await Deno.mkdir(scene.downloads);
      writePayload(scene.made, scene.downloads);
      const env = new TestEnv();
      const args = [...scene.args(), "--hash-check-only", "--progress=none"];
      assertEquals(await runIn(env, ...args), 0);
      assertEquals(
        env.stderr.text,
        "btget: film: complete, 40.0 KiB verified on disk\n",
      );
    });
  }
  await t.step("one that contradicts itself", async () => {
    const made = makeForm({ form: "hybrid", files, contradictoryPiece: 1 });
    using scene = new Scene(made);
    await Deno.mkdir(scene.downloads);
    writePayload(made, scene.downloads);
    const env = new TestEnv();
    assertEquals(await runIn(env, ...scene.args(), "--progress=none"), 26);
    assertMatch(env.stderr.text, /different data, as piece 1 shows/);
  });
});

Deno.test("run() says all there is to know of what nobody expected", async (t) => {
  const broken = () => {
    const stdin = new ReadableStream<Uint8Array>({
      start: (controller) => controller.error(new TypeError(`bug ${EVIL}`)),
    });
    return Object.assign(new TestEnv(), { stdin });
  };
  await t.step("on one line", async () => {
    const env = broken();
    assertEquals(await runIn(env, "-"), 1);
    assertEquals(env.stderr.lines.length, 1);
    assertMatch(
      env.stderr.text,
      /^btget: Standard input: Unexpected: TypeError: bug \\x1b\[2J.* at .*run_test\.ts:\d+:\d+.*\n$/,
    );
  });
  await t.step("in a record", async () => {
    const env = broken();
    assertEquals(await runIn(env, "-", "--progress=json"), 1);
    const result = parseJsonLines(env.stderr.text)
      .find(({ type }) => type === "result")!;
    assertEquals(result.exitCode, 1);
    assertMatch(String(result.message), /^Unexpected: TypeError: bug/);
  });
  await t.step("for a list of files", async () => {
    const env = broken();
    assertEquals(await runIn(env, "-S", "-"), 1);
    assertMatch(env.stderr.text, /^btget: Standard input: Unexpected: TypeErr/);
  });
});

Deno.test("run() names trackers that cannot be asked", async (t) => {
  const run = async (trackers: string[]) => {
    using scene = new Scene(
      makeTorrent({ files: 100 * KIB, name: "film", trackers }),
    );
    await using peer = new FakePeer(scene.made);
    const env = new TestEnv();
    assertEquals(await runIn(env, ...scene.args(peer), "--progress=none"), 0);
    return env.stderr.lines[0];
  };
  await t.step("one", async () => {
    assertEquals(
      await run(["wss://tracker.example:80/announce"]),
      "film: the tracker wss://tracker.example:80/announce cannot be asked",
    );
  });
  await t.step("several", async () => {
    assertEquals(
      // One has no port, the other no protocol that we speak.
      await run(["udp://a/announce", "wss://b/announce"]),
      "film: 2 trackers cannot be asked, such as udp://a/announce",
    );
  });
});
