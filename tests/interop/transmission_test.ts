import { testDownloadsFrom } from "./support/downloads.ts";
import { TRANSMISSION } from "./support/clients.ts";

testDownloadsFrom(TRANSMISSION);
