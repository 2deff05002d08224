import { assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { runChild } from "../support/child.ts";
import { conditionalTest } from "../support/conditional.ts";
import { LAN_ADDRESSES, LAN_WRAPPER, missingLan } from "../support/lan.ts";
import { LIBTORRENT, PYTHON } from "./support/clients.ts";

const PROGRAM = new URL("support/lsd_with_libtorrent.ts", import.meta.url);
const SCRIPT = new URL("support/libtorrent_lsd.py", import.meta.url);

conditionalTest({
  name: "LocalDiscovery and libtorrent find each other in a local network",
  missing: [...LIBTORRENT.missing(), ...missingLan()],
  async fn() {
    const [address] = LAN_ADDRESSES;
    const { weFound, theyFound } = await runChild<Record<string, string>>(
      PROGRAM,
      {
        permissions: ["--allow-net", `--allow-run=${PYTHON}`],
        wrapper: LAN_WRAPPER,
        args: [PYTHON, fromFileUrl(SCRIPT), address!],
      },
    );
    assertEquals(weFound, `${address}:6881`);
    assertStringIncludes(theyFound!, `peer [ ${address}:8888 `);
  },
});
