// @sentry/node reports the exception of a refused query.
import * as Sentry from "@sentry/node";

const [address, secret] = process.argv.slice(2);
Sentry.init({ dsn: `${address.replace("http://", `http://${secret}@`)}/1`, environment: "production" });
Sentry.captureException(new Error("permission denied for table invoices"));
await Sentry.flush(10000);
process.exit(0);
