// Connects with ib-tws-api and prints what it was told, as one JSON line.
// tws.mjs HOST PORT CLIENT_ID
import { Client } from "ib-tws-api";

const [host, port, clientId] = process.argv.slice(2);
const api = new Client({ host, port: Number(port), clientId: Number(clientId), timeoutMs: 5000 });
const seen = { connected: false, time: null, error: null };
setTimeout(() => {
  seen.error = seen.error ?? "no end in time";
  console.log(JSON.stringify(seen));
  process.exit(0);
}, 8000);
try {
  await api.connect();
  seen.connected = true;
  seen.time = await api.getCurrentTime();
} catch (error) {
  seen.error = String(error?.message ?? error);
}
console.log(JSON.stringify(seen));
process.exit(0);
