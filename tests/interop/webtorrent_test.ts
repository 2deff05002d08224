import { WEBTORRENT } from "./support/clients.ts";
import { testDownloadsFrom } from "./support/downloads.ts";
import { testUploadsTo } from "./support/uploads.ts";

testDownloadsFrom(WEBTORRENT);
testUploadsTo(WEBTORRENT);
