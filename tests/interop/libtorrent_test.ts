import { testDownloadsFrom } from "./support/downloads.ts";
import { LIBTORRENT } from "./support/clients.ts";

testDownloadsFrom(LIBTORRENT);
