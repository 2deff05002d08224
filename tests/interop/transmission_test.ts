import { testUploadsTo } from "./support/uploads.ts";
import { testDownloadsFrom } from "./support/downloads.ts";
import { TRANSMISSION } from "./support/clients.ts";

testDownloadsFrom(TRANSMISSION);
testUploadsTo(TRANSMISSION);
