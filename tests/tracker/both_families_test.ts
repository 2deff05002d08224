/**
 * A name with addresses of both families (BEP 7), as the system resolves it:
 * in a mount namespace with a hosts file of its own, which only root may have.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { TrackerServer } from "../../src/tracker/tracker_server.ts";
import { UdpTrackerServer } from "../../src/tracker/udp_tracker_server.ts";
import { conditionalTest } from "../support/conditional.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { fromFileUrl } from "@std/path";

const CHILD = fromFileUrl(new URL("children/announce.ts", import.meta.url));

/** Runs a program that sees another /etc/hosts. */
async function runWithHosts(
  hosts: string,
  command: readonly string[],
): Promise<string> {
  using folder = new TempFolder();
  const path = folder.join("hosts");
  await Deno.writeTextFile(path, hosts);
  const script = 'mount --bind "$0" /etc/hosts && exec "$@"';
  const { success, stdout, stderr } = await new Deno.Command("unshare", {
    args: ["--mount", "sh", "-c", script, path, ...command],
  }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(decoder.decode(stderr));
  return decoder.decode(stdout);
}

async function missing(): Promise<string[]> {
  try {
    await runWithHosts("", ["true"]);
    return [];
  } catch {
    return ["a hosts file of one's own needs root, unshare and mount"];
  }
}

conditionalTest({
  name:
    "trackers hear of us over both families of a name, or over the one that answers",
  missing: await missing(),
  async fn() {
    const http4 = new TrackerServer();
    const port = Number(new URL(http4.announceUrl).port);
    await using _four = http4;
    await using _six = new TrackerServer({ hostname: "::1", port });
    await using _udp4 = new UdpTrackerServer({ port });
    await using _udp6 = new UdpTrackerServer({ hostname: "::1", port });
    const hosts = [
      "127.0.0.1 both.example four.example odd.example",
      "::1 both.example six.example",
      // Nobody is there, and no way leads there.
      "2001:db8::1 odd.example",
    ].join("\n");
    const urls = ["http", "udp"].flatMap((protocol) =>
      ["both", "four", "six", "odd"].map((name) =>
        `${protocol}://${name}.example:${port}/announce`
      )
    );
    const lines = await Promise.all(urls.map((url) => {
      const count = url.includes("both") ? "2" : "1";
      const args = ["run", "--allow-net", "--unstable-net", CHILD, url, count];
      return runWithHosts(`${hosts}\n`, [Deno.execPath(), ...args]);
    }));
    assertEquals(
      lines.map((line) => line.trim()),
      ["4 6", "4", "6", "4", "4 6", "4", "6", "4"],
    );
  },
});
