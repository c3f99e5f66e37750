// What is shown: each view gets the values after # and returns elements.
import { airflow, ask, el, kind, link, seconds, status, table, when } from "./history.js";

export async function runs({ before }) {
  const found = await ask("runs", before ? { before } : {});
  if (!found.length) return [el("h2", before ? "No earlier runs." : "No results yet. Run a DAG with dbt tasks.")];
  const rows = found.map((one) => [
    el("td.when", link(when(one.started), "run", { dag_id: one.dag_id, run_id: one.run_id })),
    one.dag_id,
    el("span.soft", one.run_id),
    status(one.failed ? "failures" : "success"),
    String(one.results),
    one.failed ? String(one.failed) : "",
    seconds(one.ended - one.started),
    seconds(one.worker_seconds),
    [one.target, one.release].filter(Boolean).join(" / "),
  ]);
  const heads = ["Started (UTC)", "DAG", "Run", "Result", "#Results", "#Failed", "#Took", "#Worker time", "Target / release"];
  const more = found.length === 50 ? [el("p", link("Earlier runs", "runs", { before: found.at(-1).ended }))] : [];
  return [table(heads, rows), ...more];
}

export async function run({ dag_id, run_id }) {
  const { tries, critical } = await ask("run", { dag_id, run_id });
  const begin = Math.min(...tries.map((one) => one.started));
  const end = Math.max(...tries.map((one) => one.ended), begin + 0.001);
  const on = new Set(critical);
  const path = tries.filter((one) => on.has(one.id));
  const timeline = el("div.timeline");
  for (const one of tries) {
    const worst = ["bad", "warned", "other", "good"].find((k) => one.results.some((r) => kind(r.status) === k)) ?? "other";
    const name = one.results.length === 1 && one.results[0].name ? link(one.task_id, "node", { name: one.results[0].node }) : one.task_id;
    const label = el(`div.label${on.has(one.id) ? ".critical" : ""}`, name, one.try_number > 1 ? ` (try ${one.try_number})` : "");
    label.title = one.task_id;
    const middle = (one.started + one.ended) / 2 > begin + (end - begin) * 0.6;
    const bar = el(`div.bar.${worst}${on.has(one.id) ? ".critical" : ""}${middle ? ".late" : ""}`, el("span", seconds(one.ended - one.started)));
    bar.style.left = `${(100 * (one.started - begin)) / (end - begin)}%`;
    bar.style.width = `${(100 * (one.ended - one.started)) / (end - begin)}%`;
    bar.title = one.results.map((r) => `${r.node ?? one.command}: ${r.status}`).join("\n");
    timeline.append(label, el("div.track", bar));
  }
  const failed = tries.flatMap((one) => one.results.filter((r) => kind(r.status) === "bad").map((r) => [one, r]));
  return [
    el("h2", `${dag_id}, ${run_id}`),
    el("p.about", `${when(begin)} UTC, ${seconds(end - begin)}; critical path ${path.length} tasks, of which at work `,
      seconds(path.reduce((sum, one) => sum + one.ended - one.started, 0)), ". ", airflow("Open in Airflow", "dags", dag_id, "runs", run_id),
      el("i.key"), "succeeded", el("i.key.bad"), "failed", el("i.key.critical"), "critical path"),
    el("div.timeline", el("span"), el("div.scale", el("span", when(begin).slice(11)), el("span", when(end).slice(11)))),
    timeline,
    ...(failed.length ? [el("h2", `${failed.length} failed`), ...failed.flatMap(([one, r]) => [
      el("div", status(r.status), " ", r.node ? link(r.name, "node", { name: r.node }) : one.command, " ",
        airflow("log", "dags", dag_id, "runs", run_id, "tasks", one.task_id)), el("pre", r.message ?? "")])] : []),
  ];
}

export async function node({ name, days = 90 }) {
  const found = await ask("node", { name, days });
  const head = [el("h2", name), periods(days, "node", { name })];
  if (!found.length) return [...head, el("p", "No results in this time, but there are older ones.")];
  const rows = found.slice(0, 500).map((one) => [
    el("td.when", when(one.started)), status(one.status), seconds(one.seconds), one.rows === null ? "" : String(one.rows),
    one.failures === null ? "" : String(one.failures), (one.checksum ?? "").slice(0, 8),
    link(one.dag_id, "run", { dag_id: one.dag_id, run_id: one.run_id }), one.try_number === 1 ? "" : String(one.try_number),
    one.message ? el("pre", one.message) : "",
  ]);
  const files = new Set(found.map((one) => one.checksum).filter(Boolean)).size;
  const ids = [...new Set(found.map((one) => one.node))];
  const silent = Math.floor((Date.now() / 1000 - found[0].started) / 86400);
  return [...head, el("p.about", `${ids.join(", ")}: ${found.length} results${files ? `, ${files} version${files > 1 ? "s" : ""} of its file` : ""}; last seen ${when(found[0].started)} UTC. `,
    silent > 7 ? el("span.gone", `Nothing for ${silent} days: removed, renamed, or not run since.`) : ""),
    chart(found), table(["Started (UTC)", "Status", "#Took", "#Rows", "#Failures", "File", "Run", "#Try", "Message"], rows)];
}

function chart(found) {
  const H = 190, left = 46, bottom = 22;
  const [from, to] = [found.at(-1).started, Math.max(Date.now() / 1000, found.at(-1).started + 1)];
  const most = Math.max(...found.map((one) => one.seconds ?? 0), 0.1);
  const svg = (what, values, text) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", what);
    for (const [key, value] of Object.entries(values)) made.setAttribute(key, value);
    if (text) made.textContent = text;
    return made;
  };
  const picture = svg("svg", { role: "img", "aria-label": "duration over time" });
  // In per cent of what is right of the scale, so that dots stay round at any width.
  const area = svg("svg", { x: left, y: 0, width: "100%", height: H, class: "area" });
  const y = (value) => 10 + (H - bottom - 10) * (1 - value / most);
  for (const part of [0, 0.5, 1]) picture.append(svg("line", { x1: left, x2: "100%", y1: y(part * most), y2: y(part * most) }), svg("text", { x: 0, y: y(part * most) + 4 }, seconds(part * most)));
  picture.append(svg("text", { x: left, y: H - 4 }, when(from).slice(0, 16)), svg("text", { x: "100%", y: H - 4, "text-anchor": "end" }, "now"));
  for (const one of found) {
    const dot = svg("circle", { class: `dot ${kind(one.status)}`, r: 3.5, cx: `${0.5 + 99 * ((one.started - from) / (to - from))}%`, cy: y(one.seconds ?? 0) });
    dot.append(svg("title", {}, `${when(one.started)} UTC: ${one.status}, ${seconds(one.seconds)}`));
    area.append(dot);
  }
  picture.append(area);
  return picture;
}

// Links to the same view for another time.
function periods(days, view, values = {}) {
  const one = (n, text) => (n === Number(days) ? el("b", text) : link(text, view, { ...values, days: n }));
  return el("p.periods", ...[7, 14, 30, 90, 365].map((n) => one(n, `${n} days`)), one(3650, "ten years"));
}

export async function tests({ days = 14 }) {
  const found = await ask("tests", { days });
  if (!found.length) return [el("h2", "No test has failed in this time."), periods(days, "tests")];
  const rows = found.map((one) => [
    link(one.name, "node", { name: one.node }), status(one.failing ? "fail" : "pass"), String(one.failed),
    one.latest.failures === null ? "" : String(one.latest.failures), el("td.when", when(one.last_failed)), el("td.when", when(one.last_passed)),
    link(one.latest.dag_id, "run", { dag_id: one.latest.dag_id, run_id: one.latest.run_id }), one.failing ? el("pre", one.latest.message ?? "") : "",
  ]);
  return [el("h2", `${found.filter((one) => one.failing).length} tests fail now, ${found.length} failed in the last ${days} days`),
    periods(days, "tests"), table(["Test", "Now", "#Times failed", "#Rows", "Last failed (UTC)", "Last passed (UTC)", "Latest run", "Message"], rows)];
}

export async function slowest({ days = 30 }) {
  const found = await ask("slowest", { days });
  const whole = found.reduce((sum, one) => sum + one.worker_seconds, 0) || 1;
  const rows = found.map((one) => [
    link(one.name, "node", { name: one.node }), one.resource_type, String(one.results), one.failed ? String(one.failed) : "", seconds(one.mean_seconds),
    seconds(one.longest_seconds), seconds(one.worker_seconds), share(one.worker_seconds / whole),
  ]);
  return [el("h2", `What cost most in the last ${days} days`),
    periods(days, "slowest"),
    el("p.about", "Worker time: how long a task held its slot for this node, dbt's start included. Share: of what is listed here."),
    table(["Node", "Kind", "#Results", "#Failed", "#Mean in dbt", "#Longest", "#Worker time", "Share"], rows)];
}

function share(part) {
  const bar = el("span.share");
  bar.style.width = `${Math.max(1, Math.round(90 * part))}px`;
  return el("span", bar, `${(100 * part).toFixed(1)} %`);
}
