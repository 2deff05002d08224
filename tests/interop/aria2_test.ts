import { testDownloadsFrom } from "./support/downloads.ts";
import { ARIA2 } from "./support/seeders.ts";

testDownloadsFrom(ARIA2);
