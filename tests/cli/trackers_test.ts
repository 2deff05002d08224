/**
 * Trackers as the program uses them: by UDP, over IPv6, the user's own, and
 * what they say of a swarm.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Endpoint } from "../../src/bytes/endpoint.ts";
import { run } from "../../src/cli/run.ts";
import { UdpSocket } from "../../src/net/udp.ts";
import { AnnouncedSwarms } from "../../src/tracker/announced_swarms.ts";
import { latin1 } from "../../src/bytes/bencode.ts";
import { TrackerServer } from "../../src/tracker/tracker_server.ts";
import { UdpTrackerServer } from "../../src/tracker/udp_tracker_server.ts";
import { FakePeer } from "../support/fake_peer.ts";
import {
  checkPayload,
  makeTorrent,
  type TorrentRecipe,
} from "../support/make_torrent.ts";
import { peersAnswer, RecordingTracker } from "../support/recording_tracker.ts";
import { Scene } from "../support/scene.ts";
import { TestEnv } from "../support/test_env.ts";

const RECIPE = { name: "film", files: 100 * 1024 };

/** A tracker where a peer has announced itself. */
function knowing(
  { metainfo }: { metainfo: { infoHash: Uint8Array } },
  endpoint: Endpoint,
): AnnouncedSwarms {
  const swarms = new AnnouncedSwarms();
  swarms.announce({
    infoHash: latin1(metainfo.infoHash),
    endpoint,
    peerId: new Uint8Array(20),
    isSeed: true,
    event: "started",
    wanted: 0,
  }, performance.now());
  return swarms;
}

/** Downloads through trackers that are given. */
async function download(
  recipe: Partial<TorrentRecipe>,
  ...options: string[]
): Promise<TestEnv> {
  using scene = new Scene(makeTorrent({ ...RECIPE, ...recipe }));
  const env = new TestEnv();
  assertEquals(
    await run([...scene.args(), ...options], env),
    0,
    env.stderr.text,
  );
  checkPayload(scene.made, scene.downloads);
  return env;
}

Deno.test("run() downloads through a UDP tracker alone", async () => {
  const made = makeTorrent(RECIPE);
  await using peer = new FakePeer(made);
  const swarms = knowing(made, peer.endpoint);
  await using tracker = new UdpTrackerServer({ swarms });
  await download({ trackers: [tracker.announceUrl] });
  // It came, and it has gone.
  const counts = swarms.counts(latin1(made.metainfo.infoHash));
  assertEquals(counts, { seeders: 1, completed: 1, leechers: 0 });
});

for (const Server of [UdpTrackerServer, TrackerServer]) {
  Deno.test(`run() downloads through a ${Server.name} on ::1 alone`, async () => {
    const made = makeTorrent(RECIPE);
    await using peer = new FakePeer(made, { hostname: "::1" });
    const swarms = knowing(made, peer.endpoint);
    await using tracker = new Server({ swarms, hostname: "::1" });
    await download({ trackers: [tracker.announceUrl] });
    const counts = swarms.counts(latin1(made.metainfo.infoHash));
    assertEquals(counts, { seeders: 1, completed: 1, leechers: 0 });
  });
}

Deno.test("run() asks a tracker in the second tier behind a dead first one", async (t) => {
  const made = makeTorrent(RECIPE);
  await using peer = new FakePeer(made);
  const swarms = knowing(made, peer.endpoint);
  await using udp = new UdpTrackerServer({ swarms });
  await using http = new TrackerServer({ swarms });
  await using silent = UdpSocket.open({ ports: [0], hostname: "127.0.0.1" });
  const dead = "http://127.0.0.1:1/announce";
  const asleep = `udp://127.0.0.1:${silent.port}/announce`;
  const rows: [name: string, trackers: string[]][] = [
    ["HTTP behind HTTP", [dead, http.announceUrl]],
    ["UDP behind HTTP", [dead, udp.announceUrl]],
    ["UDP behind UDP that is silent", [asleep, udp.announceUrl]],
  ];
  for (const [name, trackers] of rows) {
    await t.step(name, async () => void await download({ trackers }));
  }
});

Deno.test("run() asks the user's trackers at once, and not those excluded", async () => {
  const made = makeTorrent(RECIPE);
  await using peer = new FakePeer(made);
  await using own = new RecordingTracker(() => peersAnswer());
  await using excluded = new RecordingTracker(() => peersAnswer());
  await using users = new RecordingTracker(() => peersAnswer(peer.endpoint));
  const trackers = [excluded.announceUrl, own.announceUrl];
  await download(
    { trackers },
    `--bt-tracker=${users.announceUrl}`,
    `--bt-exclude-tracker=${excluded.announceUrl}`,
  );
  assertEquals(excluded.events, []);
  for (const { events } of [own, users]) {
    assertEquals([events[0], events.at(-1)], ["started", "stopped"]);
  }
  const before = own.events.length;
  await download(
    { trackers },
    `--bt-tracker=${users.announceUrl}`,
    "--bt-exclude-tracker=*",
  );
  assertEquals(own.events.length, before);
});

Deno.test("run() tells nobody but its own trackers of a private torrent", async () => {
  const info = { private: 1 };
  const made = makeTorrent({ ...RECIPE, info });
  await using peer = new FakePeer(made);
  await using own = new RecordingTracker(() => peersAnswer(peer.endpoint));
  await using users = new RecordingTracker(() => peersAnswer(peer.endpoint));
  const env = await download(
    { info, trackers: [own.announceUrl] },
    `--bt-tracker=${users.announceUrl}`,
  );
  assertEquals(users.events, []);
  assertMatch(
    env.stderr.text,
    /^film is private: only its own trackers may hear of it$/m,
  );
});

Deno.test("run() opens no UDP socket that it does not need", async () => {
  const made = makeTorrent(RECIPE);
  await using peer = new FakePeer(made);
  await using own = new RecordingTracker(() => peersAnswer(peer.endpoint));
  await using listener = UdpSocket.open({ ports: [0] });
  // Whatever would be sent would come here.
  let packets = 0;
  listener.subscribe(() => {
    packets++;
    return true;
  });
  const dead = `udp://127.0.0.1:${listener.port}`;
  await download({ trackers: [own.announceUrl, dead] });
  assertEquals(packets, 0);
});

/** What `btget show --scrape` says of a torrent's trackers. */
async function scrape(
  trackers: string[],
  ...options: string[]
): Promise<{ code: number; lines: string[]; stderr: string }> {
  using scene = new Scene(makeTorrent({ ...RECIPE, trackers }));
  const env = new TestEnv();
  const args = ["show", "--scrape", scene.torrentPath, ...options];
  const code = await run(args, env);
  const lines = env.stdout.lines.filter((line) => line.startsWith("Swarm"));
  const stderr = env.stderr.text.replaceAll(scene.torrentPath, "FILE");
  return { code, lines, stderr };
}

Deno.test("run() shows what trackers say of a swarm", async (t) => {
  const made = makeTorrent(RECIPE);
  const swarms = knowing(made, { hostname: "192.0.2.1", port: 1 });
  await using http = new TrackerServer({ swarms });
  await using http6 = new TrackerServer({ swarms, hostname: "::1" });
  await using udp = new UdpTrackerServer({ swarms });
  await using udp6 = new UdpTrackerServer({ swarms, hostname: "::1" });
  await using stranger = new TrackerServer();
  const names = [http, http6, udp, udp6].map(({ announceUrl }) =>
    announceUrl.replace(/^(udp:.*)\/announce$/, "$1")
  );
  const counts = "1 seeder, 0 leechers, downloaded 0 times";

  await t.step("each for itself", async () => {
    const found = await scrape([
      ...[http, http6, udp, udp6].map(({ announceUrl }) => announceUrl),
      stranger.announceUrl,
      "http://127.0.0.1:1/announce",
      "wss://a.example/",
    ]);
    const failed = found.lines.splice(5, 1)[0]!;
    assertEquals(found, {
      code: 0,
      lines: [
        ...names.map((name) => `Swarm at ${name}: ${counts}`),
        `Swarm at ${stranger.announceUrl}: does not know this torrent`,
        "Swarm at wss://a.example/: failed: it cannot be asked",
      ],
      stderr: "",
    });
    assertMatch(
      failed,
      /^Swarm at http:\/\/127\.0\.0\.1:1\/announce: failed: /,
    );
  });

  await t.step("also the user's", async () => {
    const found = await scrape(
      ["wss://a.example/"],
      `--bt-tracker=${udp.announceUrl}`,
      "--bt-exclude-tracker=*",
    );
    assertEquals(found.lines, [`Swarm at ${names[2]}: ${counts}`]);
  });

  await t.step("and fails when none says anything", async () => {
    const found = await scrape(["http://127.0.0.1:1/announce"]);
    assertEquals([found.code, found.lines.length], [6, 1]);
    assertEquals(
      found.stderr,
      "btget: FILE: None of the trackers says how it stands\n",
    );
  });

  await t.step("or when there is none", async () => {
    const found = await scrape([]);
    assertEquals([found.code, found.lines], [6, []]);
    assertEquals(found.stderr, "btget: FILE: There is no tracker to ask\n");
  });

  await t.step("without harm", async () => {
    await using evil = new RecordingTracker(() => ({
      "failure reason": "\x1b]0;owned\x07\u202e",
    }));
    // A scrape asks at another path; here all are one.
    const found = await scrape([evil.announceUrl]);
    assertEquals(found.code, 6);
    assertMatch(
      found.lines[0]!,
      /The tracker says: \\x1b\]0;owned\\x07\\u202e$/,
    );
  });
});

Deno.test("run() shows without asking anybody when it is not told to", async () => {
  await using tracker = new RecordingTracker(() => ({}));
  using scene = new Scene(
    makeTorrent({ ...RECIPE, trackers: [tracker.announceUrl] }),
  );
  const env = new TestEnv();
  assertEquals(await run(["show", scene.torrentPath], env), 0);
  assert(env.stdout.text.startsWith("Name: film\n"));
  assertEquals(tracker.announces, []);
});
