import { testDownloadsFrom } from "./support/downloads.ts";
import { LIBTORRENT } from "./support/seeders.ts";

testDownloadsFrom(LIBTORRENT);
