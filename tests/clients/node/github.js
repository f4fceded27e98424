// A check run's webhook, signed by GitHub's own library.
import { sign } from "@octokit/webhooks-methods";

const [address, secret] = process.argv.slice(2);
const body = JSON.stringify({
  action: "completed",
  repository: { full_name: "acme/site" },
  check_run: {
    id: 7, name: "migrate", status: "completed", conclusion: "failure", completed_at: "2026-03-02T10:00:02Z",
    output: { title: "migrate failed", summary: "ERROR: permission denied for table invoices" },
  },
});
const headers = { "content-type": "application/json", "x-github-event": "check_run", "x-hub-signature-256": await sign(secret, body) };
const answer = await fetch(address, { method: "POST", headers, body });
if (answer.status !== 202) throw new Error(`${answer.status} ${await answer.text()}`);
