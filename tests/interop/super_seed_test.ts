import { ARIA2, LIBTORRENT } from "./support/clients.ts";
import { testUploadsTo } from "./support/uploads.ts";

for (const kind of [LIBTORRENT, ARIA2]) {
  testUploadsTo(kind, { args: ["--super-seed"] });
}
