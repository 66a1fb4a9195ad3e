// PM2's view of the services. Names, ports, flags and restart policy come from subnet17/ops/processes.py.
//   pm2 start ecosystem.config.js             the trio
//   SUBNET17_LOCAL=1 pm2 start ecosystem.config.js the trio on the embedded back ends, with a local subnet
const { execFileSync } = require("node:child_process");
const { existsSync, readFileSync } = require("node:fs");
const path = require("node:path");

const chosen = path.join(__dirname, ".tools", "python"); // written by setup_mining_environment.sh
const venv = path.join(__dirname, ".venv", "bin", "python");
const python = existsSync(chosen) ? readFileSync(chosen, "utf8").trim() : existsSync(venv) ? venv : "python3";

const { SUBNET17_LOCAL: local, ...env } = process.env;
const flags = local === "1" ? ["--local"] : [];
const listed = execFileSync(python, ["-m", "subnet17.ops.processes", ...flags], { cwd: __dirname, env });

module.exports = { apps: JSON.parse(listed) };
