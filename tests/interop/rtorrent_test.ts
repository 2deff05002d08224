import { testDownloadsFrom } from "./support/downloads.ts";
import { RTORRENT } from "./support/clients.ts";

testDownloadsFrom(RTORRENT);
