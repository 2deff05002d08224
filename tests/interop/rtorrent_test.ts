import { testDownloadsFrom } from "./support/downloads.ts";
import { RTORRENT } from "./support/clients.ts";
import { testUploadsTo } from "./support/uploads.ts";

testDownloadsFrom(RTORRENT);
testUploadsTo(RTORRENT);
