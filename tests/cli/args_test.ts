import {
  assertEquals,
  assertMatch,
  assertNotMatch,
  assertThrows,
} from "@std/assert";
import { type DownloadCommand, parseCommand } from "../../src/cli/args.ts";
import { FLAGS, SHORT, UsageError, VALUES } from "../../src/cli/options.ts";

/** Arguments with one source that ask for a download or a list of files. */
function parse(...args: string[]): DownloadCommand {
  const command = parseCommand(args);
  if (command.type === "help" || command.type === "version") {
    throw new Error(`${args.join(" ")} asks for ${command.type}`);
  }
  return command;
}

/** What a wrong use is answered with. */
function refusal(...args: string[]): string {
  return assertThrows(() => parseCommand(args), UsageError).message;
}

/** What holds when nothing is said. */
const DEFAULTS: DownloadCommand = {
  type: "download",
  sources: ["x"],
  folder: ".",
  out: undefined,
  isQuiet: false,
  isVerbose: false,
  progress: "auto",
  maxPeers: 50,
  maxPeersTotal: 200,
  maxDownloadRate: undefined,
  maxUploadRate: undefined,
  listenPorts: [6881, 6882, 6883, 6884, 6885, 6886, 6887, 6888, 6889],
  peers: [],
  webSeeds: [],
  usesTrackers: true,
  extraTrackers: [],
  excludedTrackers: [],
  scrapes: false,
  stopAfter: undefined,
  stallTimeout: undefined,
  mustCheckAll: false,
  isCheckOnly: false,
  mayOverwrite: false,
  maxConcurrent: 5,
  usesDht: true,
  dhtBootstrap: [],
  dhtFile: undefined,
  usesLocalDiscovery: true,
  isMetadataOnly: false,
  savesMetadata: false,
  seeding: undefined,
};

/** Each option that has a value: a value, and what it changes. */
const VALUE_CASES: Record<string, [string, Partial<DownloadCommand>]> = {
  "bt-exclude-tracker": ["*", { excludedTrackers: ["*"] }],
  "bt-tracker": ["udp://a:1", { extraTrackers: ["udp://a:1"] }],
  "dht-bootstrap": ["h:1", { dhtBootstrap: [{ hostname: "h", port: 1 }] }],
  "dht-file": ["f", { dhtFile: "f" }],
  "dir": ["a b", { folder: "a b" }],
  "listen-port": ["7000", { listenPorts: [7000] }],
  "max-concurrent-downloads": ["2", { maxConcurrent: 2 }],
  "max-download-limit": ["500K", { maxDownloadRate: 512_000 }],
  "max-peers": ["7", { maxPeers: 7 }],
  "max-peers-total": ["70", { maxPeersTotal: 70 }],
  "max-upload-limit": ["2M", { maxUploadRate: 2_097_152 }],
  "out": ["film", { out: "film" }],
  "peer": ["h:1", { peers: [{ hostname: "h", port: 1 }] }],
  "progress": ["json", { progress: "json" }],
  "seed-ratio": ["1.5", {
    seeding: { ratio: 1.5, timeMs: undefined, isSuper: false },
  }],
  "seed-time": ["0.5", {
    seeding: { ratio: undefined, timeMs: 30_000, isSuper: false },
  }],
  "stall-timeout": ["0.5", { stallTimeout: 0.5 }],
  "stop": ["90", { stopAfter: 90 }],
  "web-seed": ["http://h/x", { webSeeds: ["http://h/x"] }],
};

/** Each option without a value, and what it changes. */
const FLAG_CASES: Record<string, Partial<DownloadCommand>> = {
  "allow-overwrite": { mayOverwrite: true },
  "check-integrity": { mustCheckAll: true },
  "continue": {},
  "hash-check-only": { mustCheckAll: true, isCheckOnly: true },
  "metadata-only": { isMetadataOnly: true },
  "no-dht": { usesDht: false },
  "no-lsd": { usesLocalDiscovery: false },
  "no-tracker": { usesTrackers: false },
  "quiet": { isQuiet: true },
  "save-metadata": { savesMetadata: true },
  "show-files": { type: "show" },
  "verbose": { isVerbose: true },
};

Deno.test("parseCommand() has defaults, and gives what cannot be changed", () => {
  const command = parse("x");
  assertEquals(command, DEFAULTS);
  assertEquals(Object.isFrozen(command), true);
});

Deno.test("parseCommand() takes every option that has a value in every spelling", async (t) => {
  assertEquals(Object.keys(VALUE_CASES), [...VALUES]);
  for (const [name, [value, change]] of Object.entries(VALUE_CASES)) {
    await t.step(`--${name}`, () => {
      const wanted = { ...DEFAULTS, ...change };
      assertEquals(parse(`--${name}`, value, "x"), wanted);
      assertEquals(parse(`--${name}=${value}`, "x"), wanted);
      assertEquals(parse("x", `--${name}`, value), wanted);
      const letter = Object.keys(SHORT).find((key) => SHORT[key] === name);
      if (letter === undefined) return;
      assertEquals(parse(`-${letter}`, value, "x"), wanted);
      assertEquals(parse(`-${letter}${value}`, "x"), wanted);
      assertEquals(parse(`-${letter}=${value}`, "x"), wanted);
      assertEquals(
        parse(`-q${letter}${value}`, "x"),
        { ...wanted, isQuiet: true },
      );
    });
  }
});

Deno.test("parseCommand() takes every option without a value in every spelling", async (t) => {
  assertEquals(
    // A scrape is only for what is shown.
    [...Object.keys(FLAG_CASES), "help", "scrape", "super-seed", "version"]
      .sort(),
    [...FLAGS].sort(),
  );
  for (const [name, change] of Object.entries(FLAG_CASES)) {
    await t.step(`--${name}`, () => {
      const wanted = { ...DEFAULTS, ...change };
      assertEquals(parse(`--${name}`, "x"), wanted);
      assertEquals(parse("x", `--${name}`), wanted);
      assertEquals(parse("x", `--${name}`, `--${name}`), wanted);
      const letter = Object.keys(SHORT).find((key) => SHORT[key] === name);
      if (letter !== undefined) assertEquals(parse(`-${letter}`, "x"), wanted);
    });
  }
});

Deno.test("parseCommand() gives help and the version whatever else is said", () => {
  for (
    const args of [["--help"], ["-h"], ["-qh"], ["x", "--help", "-d", "y"]]
  ) {
    assertEquals(parseCommand(args), { type: "help" });
  }
  assertEquals(parseCommand(["--version"]), { type: "version" });
  assertEquals(parseCommand(["x", "--version"]), { type: "version" });
});

Deno.test("parseCommand() tells values, options and sources apart", async (t) => {
  const forEver = { ratio: undefined, timeMs: undefined, isSuper: false };
  const cases: [args: string[], change: Partial<DownloadCommand>][] = [
    // A letter's value is all that follows, whatever is in it.
    [["-da=b", "x"], { folder: "a=b" }],
    [["-d/tmp/a=b", "x"], { folder: "/tmp/a=b" }],
    [["-dfoo1", "x"], { folder: "foo1" }],
    [["-d-", "x"], { folder: "-" }],
    [["-d", "-", "x"], { folder: "-" }],
    [["--dir", "-", "x"], { folder: "-" }],
    [["--dir=--quiet", "x"], { folder: "--quiet" }],
    [["--dir=a=b", "x"], { folder: "a=b" }],
    [["--dir=a\nb", "x"], { folder: "a\nb" }],
    [["--dir", " ", "x"], { folder: " " }],
    [["--out", "true", "x"], { out: "true" }],
    [["--out", "007", "x"], { out: "007" }],
    [["-qV", "x"], { isQuiet: true, mustCheckAll: true }],
    [["-cqvj3", "x"], { isQuiet: true, isVerbose: true, maxConcurrent: 3 }],
    // A source is no value of the option before it.
    [["--quiet", "true"], { isQuiet: true, sources: ["true"] }],
    [["-q", "false"], { isQuiet: true, sources: ["false"] }],
    [["0x10", "1e3"], { sources: ["0x10", "1e3"] }],
    [["-"], { sources: ["-"] }],
    [["-", "x"], { sources: ["-", "x"] }],
    [["a b", "ü", "x\ny"], { sources: ["a b", "ü", "x\ny"] }],
    [["--", "-q", "--dir"], { sources: ["-q", "--dir"] }],
    [["-q", "--", "--"], { isQuiet: true, sources: ["--"] }],
    [["--", "-"], { sources: ["-"] }],
    // The last word counts, but for peers and trackers.
    [["-d", "a", "--dir", "b", "x"], { folder: "b" }],
    [["--peer", "a:1", "--peer=b:2", "x"], {
      peers: [{ hostname: "a", port: 1 }, { hostname: "b", port: 2 }],
    }],
    [["--bt-tracker", "udp://a:1,http://b/?c=d", "--bt-tracker=UDP://e", "x"], {
      extraTrackers: ["udp://a:1", "http://b/?c=d", "UDP://e"],
    }],
    [["--bt-exclude-tracker=a, b", "--bt-exclude-tracker", "*", "x"], {
      excludedTrackers: ["a", "b", "*"],
    }],
    [["--stop", "0", "--stall-timeout=0", "x"], {}],
    // What to do comes before every source, and is said once.
    [["show", "x"], { type: "show" }],
    [["-q", "show", "x"], { type: "show", isQuiet: true }],
    [["-d", "show", "x"], { folder: "show" }],
    [["show", "-S", "x"], { type: "show" }],
    [["show", "--scrape", "x"], { type: "show", scrapes: true }],
    [["-S", "--scrape", "x"], { type: "show", scrapes: true }],
    // To seed has no end, unless one is named.
    [["seed", "x"], { seeding: forEver }],
    [["seed", "--super-seed", "x"], { seeding: { ...forEver, isSuper: true } }],
    [["seed", "--seed-time=0", "x"], { seeding: forEver }],
    [["seed", "--seed-ratio=2", "x"], { seeding: { ...forEver, ratio: 2 } }],
    // Without that word it is done when it is done, unless it is told not to.
    [["--seed-ratio=0", "x"], { seeding: forEver }],
    [["--seed-time=0", "x"], {}],
    [["--seed-time=0", "--seed-ratio=2", "x"], {}],
    [["show", "show"], { type: "show", sources: ["show"] }],
    [["show", "--", "show"], { type: "show", sources: ["show"] }],
    [["./show"], { sources: ["./show"] }],
    [["--", "show"], { sources: ["show"] }],
    [["x", "show"], { sources: ["x", "show"] }],
    [["Show"], { sources: ["Show"] }],
    // Who wants many for one torrent has them, unless all are counted.
    [["--max-peers=500", "x"], { maxPeers: 500, maxPeersTotal: 500 }],
    [["--max-peers=500", "--max-peers-total=9", "x"], {
      maxPeers: 500,
      maxPeersTotal: 9,
    }],
  ];
  for (const [args, change] of cases) {
    await t.step(JSON.stringify(args), () => {
      assertEquals(parse(...args), { ...DEFAULTS, ...change });
    });
  }
});

Deno.test("parseCommand() reads peers and ports", async (t) => {
  const peers: [text: string, hostname: string, port: number][] = [
    ["127.0.0.1:6881", "127.0.0.1", 6881],
    ["example.org:1", "example.org", 1],
    ["localhost:65535", "localhost", 65535],
    ["[::1]:6881", "::1", 6881],
    ["[2001:DB8:0::1]:80", "2001:db8::1", 80],
    ["[::ffff:127.0.0.1]:80", "127.0.0.1", 80],
  ];
  for (const [text, hostname, port] of peers) {
    await t.step(`--peer ${text}`, () => {
      assertEquals(parse("--peer", text, "x").peers, [{ hostname, port }]);
    });
  }
  const ports: [text: string, ports: number[]][] = [
    ["0", [0]],
    ["65535", [65535]],
    ["7000-7002", [7000, 7001, 7002]],
    ["7000-7000", [7000]],
  ];
  for (const [text, listenPorts] of ports) {
    await t.step(`--listen-port ${text}`, () => {
      assertEquals(parse("--listen-port", text, "x").listenPorts, listenPorts);
    });
  }
});

Deno.test("parseCommand() reads rates", async (t) => {
  const rates: [text: string, bytesPerSecond: number | undefined][] = [
    ["0", undefined],
    ["0K", undefined],
    ["0.0", undefined],
    ["1024", 1024],
    ["1K", 1024],
    ["500k", 512_000],
    ["2M", 2_097_152],
    ["2m", 2_097_152],
    ["1.5M", 1_572_864],
    ["1G", 1_073_741_824],
    ["12.345K", 12_641],
    ["999999999", 999_999_999],
  ];
  for (const [text, rate] of rates) {
    await t.step(text, () => {
      const { maxDownloadRate } = parse("--max-download-limit", text, "x");
      const { maxUploadRate } = parse("--max-upload-limit", text, "x");
      assertEquals([maxDownloadRate, maxUploadRate], [rate, rate]);
    });
  }
});

Deno.test("parseCommand() says what is wrong and what to do", async (t) => {
  const cases: [args: string[], message: RegExp][] = [
    [[], /^Nothing to download: name a \.torrent file, the URL of one, or -/],
    [["-q"], /^Nothing to download/],
    [["--"], /^Nothing to download/],
    [[""], /^A source must not be empty$/],
    [["x", ""], /^A source must not be empty$/],
    [["-", "-"], /^Standard input can be read only once$/],
    [["-", "--", "-"], /^Standard input can be read only once$/],
    // Values.
    [["--dir"], /^--dir needs a value$/],
    [["x", "-d"], /^-d needs a value$/],
    [["-qd"], /^-d needs a value$/],
    [["--dir=", "x"], /^--dir needs a value$/],
    [["--dir", "", "x"], /^--dir needs a value$/],
    [["-d", "", "x"], /^--dir needs a value$/],
    [["--dir", "-x", "y"], /^--dir needs a value; .* is written --dir=-x$/],
    [["-d", "--quiet"], /^-d needs a value; .* is written -d=--quiet$/],
    [["--dir", "--", "x"], /^--dir needs a value/],
    [["--peer"], /^--peer needs a value$/],
    [["--quiet=no", "x"], /^--quiet takes no value; got 'no'$/],
    [["--quiet=", "x"], /^--quiet takes no value; got ''$/],
    [["--no-tracker=1", "x"], /^--no-tracker takes no value; got '1'$/],
    [["--help=1"], /^--help takes no value; got '1'$/],
    [
      ["-o", "a", "x", "y"],
      /^--out names one download, and there are several$/,
    ],
    [["-o", "-", "x"], /nothing can be written to standard output$/],
    [["--out=-", "x"], /nothing can be written to standard output$/],
    [["--out=.", "x"], /^--out must be a name; the folder is for --dir$/],
    [["--out=..", "x"], /^--out must be a name; the folder is for --dir$/],
    [["--out=a/b", "x"], /^--out must be a name; the folder is for --dir$/],
    [["--out=a\\b", "x"], /^--out must be a name; the folder is for --dir$/],
    [["--out=/", "x"], /^--out must be a name; the folder is for --dir$/],
    [[`--out=${"ü".repeat(128)}`, "x"], /^--out must not be over 255 bytes/],
    // Numbers.
    ...["0", "-1", "1.5", "many", "1000000", " 1", "1e3", "0x10", "٣"].map((
      text,
    ): [string[], RegExp] => [
      [`--max-peers=${text}`, "x"],
      /^--max-peers must be a whole number from 1 to 999999; got '/,
    ]),
    [["-j0", "x"], /^--max-concurrent-downloads must be a whole number/],
    ...["-1", "5m", "1e3", ".5", "Infinity", "NaN", "999999999"].map((
      text,
    ): [string[], RegExp] => [
      [`--stop=${text}`, "x"],
      /^--stop must be a number of seconds, 0 for no limit; got '/,
    ]),
    [["--stall-timeout=soon", "x"], /^--stall-timeout must be a number of sec/],
    ...[
      "-1",
      "1",
      "1023",
      "0.5K",
      "K",
      "1KB",
      "1 K",
      "1T",
      "1e3",
      ".5M",
      "fast",
      "0x400",
      "1,5M",
      "9999999999",
    ].map((text): [string[], RegExp] => [
      [`--max-upload-limit=${text}`, "x"],
      /^--max-upload-limit must be bytes per second such as 500K or 2M, 1K at least, or 0 for no limit; got '/,
    ]),
    [["--max-download-limit=1", "x"], /^--max-download-limit must be bytes/],
    [
      ["--progress=pretty", "x"],
      /^--progress must be one of auto, bar, line, json, none; got 'pretty'$/,
    ],
    [["--progress=JSON", "x"], /^--progress must be one of/],
    // Ports and peers.
    ...["65536", "-1", "1-", "-2", "2-1", "1-1001", "a", "1,2", "1-65536"].map((
      text,
    ): [string[], RegExp] => [
      [`--listen-port=${text}`, "x"],
      /^--listen-port must be a port or a range such as 6881-6889, of at most 1000 ports; got '/,
    ]),
    ...[
      "127.0.0.1",
      "127.0.0.1:0",
      "127.0.0.1:65536",
      "::1:6881",
      "[::1]",
      "[::1",
      ":6881",
      "a b:1",
      "http://x:1",
      "user@x:1",
      "256.0.0.1:1",
      "0.0.0.0:1",
      "224.0.0.1:1",
      "[::]:1",
      "[ff02::1]:1",
    ].map((text): [string[], RegExp] => [
      [`--peer=${text}`, "x"],
      /^--peer must be HOST:PORT, IPv6 as \[ADDRESS\]:PORT; got '/,
    ]),
  ];
  for (const [args, message] of cases) {
    await t.step(JSON.stringify(args), () => {
      assertMatch(refusal(...args), message);
    });
  }
});

Deno.test("parseCommand() refuses unknown options", async (t) => {
  for (
    const option of [
      "--_",
      "--_=1",
      "--constructor",
      "--__proto__",
      "--hasOwnProperty",
      "--dir.x",
      "--=x",
      "---",
      "---dir",
      "-x",
      "-1",
      "-=",
      "-q-",
      "-qx",
      "-w",
      "--no-quiet",
      "--quiet.a=1",
    ]
  ) {
    await t.step(option, () => {
      assertMatch(refusal(option, "x"), /^Unknown option --?/);
    });
  }
});

/** The mistakes of a hand in a hurry. */
function typosOf(name: string): string[] {
  const typos: string[] = [];
  for (let at = 0; at < name.length; at++) {
    const [before, after] = [name.slice(0, at), name.slice(at)];
    typos.push(before + after.slice(1), before + after[0] + after);
    if (after.length > 1 && after[0] !== after[1]) {
      typos.push(before + after[1] + after[0] + after.slice(2));
    }
  }
  return typos;
}

Deno.test("parseCommand() guesses what was meant", async (t) => {
  const names = [...FLAGS, ...VALUES];
  for (const name of names) {
    await t.step(`typos of --${name}`, () => {
      for (const typo of typosOf(name)) {
        // What is a letter of its own is another matter.
        if (typo.startsWith("-") || typo.length === 1) continue;
        // This one is as near to --no-tracker.
        if (typo === "tb-tracker") continue;
        assertEquals(
          refusal(`--${typo}`, "x"),
          `Unknown option --${typo}; did you mean --${name}?`,
        );
      }
    });
  }
  const guesses: Record<string, string> = {
    "-dir": "dir",
    "-help": "help",
    "-quiet": "quiet",
    "--Dir": "dir",
    "--max": "max-concurrent-downloads",
    "--check": "check-integrity",
    "--output": "out",
    "--overwrite": "allow-overwrite",
    "--bt-max-peers": "max-peers",
    "--bt-stop-timeout": "stall-timeout",
    "--max-overall-upload-limit": "max-upload-limit",
    "--limit-rate": "max-download-limit",
    "--peer-limit-global": "max-peers-total",
    "--download-dir": "dir",
    "--no-trackers": "no-tracker",
    "--tracker": "bt-tracker",
    "--peers": "peer",
  };
  for (const [written, meant] of Object.entries(guesses)) {
    await t.step(written, () => {
      assertEquals(
        refusal(written, "x"),
        `Unknown option ${written}; did you mean --${meant}?`,
      );
    });
  }
  for (const written of ["--foo", "--seed-time", "--xyz", "--on-complete"]) {
    await t.step(`${written} is like nothing`, () => {
      assertNotMatch(refusal(written, "x"), /did you mean/);
    });
  }
});

Deno.test("parseCommand() refuses trackers that are none", async (t) => {
  const rows: [args: string[], message: RegExp][] = [
    [["--bt-tracker=", "x"], /--bt-tracker must be URL/],
    [["--bt-tracker=udp://a:1,", "x"], /--bt-tracker must be URL/],
    [["--bt-tracker=wss://a", "x"], /http, https and udp URLs; got 'wss:/],
    [["--bt-tracker=a.example", "x"], /http, https and udp URLs; got 'a\./],
    [["--bt-exclude-tracker=,", "x"], /--bt-exclude-tracker must be URL/],
    [["--scrape", "x"], /--scrape is for 'btget show'/],
    [["show"], /^Nothing to/],
  ];
  for (const [args, message] of rows) {
    await t.step(args.join(" "), () => {
      assertMatch(refusal(...args), message);
    });
  }
});

Deno.test("parseCommand() reads a huge list of sources", () => {
  const sources = Array.from({ length: 100_000 }, (_, i) => `${i}.torrent`);
  assertEquals(parse(...sources).sources.length, 100_000);
});
