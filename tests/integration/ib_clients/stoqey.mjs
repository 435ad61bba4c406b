// Connects with @stoqey/ib and prints what it was told, as one JSON line.
// stoqey.mjs HOST PORT CLIENT_ID SECONDS [WANTED…]: collects for that long, or until all that is
// wanted is there (a field, FIELD>=N, a tag of the summary, a code), then disconnects.
import { IBApi, EventName } from "@stoqey/ib";

const [host, port, clientId, seconds, ...wanted] = process.argv.slice(2);
const seen = { connected: false, accounts: null, nextId: null, time: null, summary: [],
  positionsEnded: false, ticks: 0, codes: [], disconnected: false };
const ib = new IBApi({ host, port: Number(port), clientId: Number(clientId) });

ib.on(EventName.connected, () => {
  seen.connected = true;
  ib.reqCurrentTime();
  ib.reqAccountSummary(1, "All", "NetLiquidation,TotalCashValue");
  ib.reqPositions();
  ib.reqMarketDataType(3);
  ib.reqMktData(2, { symbol: "SPY", secType: "STK", exchange: "SMART", currency: "USD" }, "", false, false);
});
ib.on(EventName.managedAccounts, (list) => { seen.accounts = list; });
ib.on(EventName.nextValidId, (id) => { seen.nextId = id; });
ib.on(EventName.currentTime, (time) => { seen.time = time; });
ib.on(EventName.accountSummary, (id, account, tag) => { seen.summary.push(tag); });
ib.on(EventName.positionEnd, () => { seen.positionsEnded = true; });
ib.on(EventName.tickPrice, () => { seen.ticks++; });
ib.on(EventName.error, (error, code) => { seen.codes.push(code); });
ib.on(EventName.info, (text, code) => { seen.codes.push(code); });
ib.on(EventName.disconnected, () => { seen.disconnected = true; });
ib.connect();

function has(word) {
  const [name, least] = word.split(">=");
  if (least) return seen[name] >= Number(least);
  return Boolean(seen[name]) || seen.summary.includes(name) || seen.codes.includes(Number(name));
}

const end = performance.now() + Number(seconds) * 1000;
setInterval(() => {
  if (performance.now() < end && !(wanted.length && wanted.every(has))) return;
  console.log(JSON.stringify(seen));
  ib.disconnect();
  process.exit(0);
}, 20);
