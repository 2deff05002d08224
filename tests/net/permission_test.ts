import { assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { mayUseHost } from "../../src/net/permission.ts";
import { hasProgram, runChild } from "../support/child.ts";
import { RawServer } from "../support/raw_server.ts";
import { fromFileUrl } from "@std/path";

const PROGRAM = new URL("children/permission.ts", import.meta.url);
const CONFIG = new URL("../../deno.json", import.meta.url);

const ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";

interface Outcomes {
  dial: string;
  get: string;
  listen: string;
  lookUp: string;
  send: string;
}

Deno.test("mayUseHost() knows names, addresses and ports", () => {
  for (const host of ["a.example:80", "127.0.0.1:0", "[::1]:443", "[::]:0"]) {
    assertEquals(mayUseHost(host), true);
  }
});

Deno.test("The network is used as far as it is permitted", async (t) => {
  await using server = new RawServer(ANSWER);
  const { port } = server;
  const host = `127.0.0.1:${port}`;
  const refused: Outcomes = {
    dial: `Cannot connect to ${host} without --allow-net`,
    get:
      `http://${host}/announce may not be asked: run again with --allow-net=${host}`,
    listen: "false,false",
    lookUp:
      "localhost may not be looked up: run again with --allow-net=localhost",
    send: "UDP may not be used: run again with --allow-net=0.0.0.0",
  };
  const permitted = { dial: "connected", get: "answered" };
  const all = { ...permitted, lookUp: "found", send: "sent" };
  const notThere =
    `${host} may not be used: run again with --allow-net=${host}`;
  const rows: [permissions: string[], outcomes: Outcomes][] = [
    [["--allow-net"], { ...all, listen: "true,true" }],
    [[], refused],
    [["--allow-net=192.0.2.1"], refused],
    [["--allow-net=127.0.0.1:1"], refused],
    [[`--allow-net=${host}`], { ...refused, ...permitted }],
    [["--allow-net=127.0.0.1"], {
      ...refused,
      ...permitted,
      listen: "false,true",
    }],
    [["--allow-net=[::]"], {
      ...refused,
      listen: "true,false",
      send: notThere,
    }],
    [[`--allow-net=0.0.0.0,localhost,${host}`], {
      ...all,
      listen: "true,false",
    }],
    [["--allow-net", `--deny-net=${host}`], {
      ...refused,
      listen: "true,true",
      lookUp: "found",
      send: notThere,
    }],
  ];
  for (const [permissions, outcomes] of rows) {
    await t.step(permissions.join(" ") || "without any", async () => {
      const args = [port];
      const found = await runChild(PROGRAM, { permissions, args });
      assertEquals(found, outcomes);
    });
  }
});

Deno.test("Nobody at a terminal is asked for a permission", {
  ignore: !hasProgram("script"),
}, async () => {
  await using server = new RawServer(ANSWER);
  const command = [
    Deno.execPath(),
    "run",
    "--quiet",
    `--config=${fromFileUrl(CONFIG)}`,
    fromFileUrl(PROGRAM),
    String(server.port),
  ].join(" ");
  // A question would wait for ever: `timeout` would end it.
  const { code, stdout } = await new Deno.Command("script", {
    args: [
      "--quiet",
      "--return",
      "--command",
      `timeout 20 ${command}`,
      "/dev/null",
    ],
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const text = new TextDecoder().decode(stdout);
  assertEquals(code, 0, text);
  assertMatch(text, /"listen":"false,false"/);
  assertNotMatch(text, /requests|Allow\?/);
});
