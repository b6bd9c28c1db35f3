// Runs a statement with node-postgres.
const { Client } = require("pg");

const [way, port, statement] = process.argv.slice(2);
const query_timeout = way.startsWith("query_timeout") ? 1000 : 0;
const client = new Client({ host: "127.0.0.1", port, user: "postgres", database: "postgres", query_timeout });
client.on("error", console.error);
client.connect().then(() => client.query(statement)).catch(console.error);
process.stdin.once("data", () => client.end());
setTimeout(() => {}, 60_000);
