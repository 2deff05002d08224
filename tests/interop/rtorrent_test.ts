import { testUploadsTo } from "./support/uploads.ts";
import { testDownloadsFrom } from "./support/downloads.ts";
import { RTORRENT } from "./support/clients.ts";

testDownloadsFrom(RTORRENT);
testUploadsTo(RTORRENT);
