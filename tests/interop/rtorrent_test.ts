import { testDownloadsFrom } from "./support/downloads.ts";
import { RTORRENT } from "./support/seeders.ts";

testDownloadsFrom(RTORRENT);
