// The page's frame: which view is asked for (the part after #), fetching, and small helpers of the views.
import { node, run, runs, slowest, tests } from "./views.js";

const VIEWS = { runs, run, tests, slowest, node };
const main = document.getElementById("main");

export async function ask(path, values = {}) {
  const answer = await fetch(`api/${path}?${new URLSearchParams(values)}`, { credentials: "same-origin" });
  if (answer.status === 401 || answer.status === 403) throw new Error("Airflow doesn't know you (any more): log in and open this page again.");
  const body = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(body.detail?.what ?? body.detail ?? answer.statusText), { near: body.detail?.near });
  return body;
}

// el("td.number", "text" or an element, ...): text is always text, never markup.
export function el(what, ...content) {
  const [name, ...classes] = what.split(".");
  const made = document.createElement(name);
  made.className = classes.join(" ");
  made.append(...content.filter((part) => part !== null && part !== undefined));
  return made;
}

export function link(text, view, values) {
  const made = el("a", text);
  made.href = `#${view}?${new URLSearchParams(values)}`;
  return made;
}

// To a page of Airflow, in the whole window.
export function airflow(text, ...path) {
  const made = el("a", text);
  const base = location.pathname.split("/dbt-history")[0];
  made.href = [base, ...path.map(encodeURIComponent)].join("/");
  made.target = "_top";
  return made;
}

export function table(heads, rows) {
  const head = el("tr", ...heads.map((text) => el(text.startsWith("#") ? "th.number" : "th", text.replace("#", ""))));
  const body = rows.map((cells) => el("tr", ...cells.map((cell, i) => cell?.tagName === "TD" ? cell : el(heads[i].startsWith("#") ? "td.number" : "td", cell ?? ""))));
  return el("table", el("thead", head), el("tbody", ...body));
}

export const kind = (status) =>
  ["success", "pass"].includes(status) ? "good" : ["error", "fail", "failures", "runtime error", "killed", "lost"].includes(status) ? "bad" : status === "warn" ? "warned" : "other";

export const status = (text) => el(`span.status.${kind(text)}`, text);

export function seconds(value) {
  if (value === null || value === undefined) return "";
  if (value < 59.5) return `${value.toFixed(value < 9.95 ? 1 : 0)} s`;
  const whole = Math.round(value); // before it is split: there are no 60 seconds beside the minutes
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${(value / 3600).toFixed(1)} h`;
}

// In UTC, as Airflow shows it, and so on every machine.
export const when = (moment) => (moment ? new Date(moment * 1000).toISOString().slice(0, 19).replace("T", " ") : "");

let known = 0;
let waiting = false; // for the first copy from the bucket: there is nothing to show
let later;
async function state() {
  const place = document.getElementById("status");
  try {
    const now = await ask("status");
    place.classList.toggle("trouble", Boolean(now.trouble));
    const reading = now.reading ? ` Reading ${now.reading} ...` : "";
    place.textContent = now.trouble
      ? `${now.place} can't be read (${now.trouble}). What is shown may be old.`
      : now.reading && !now.results
        ? `Reading ${now.place} for the first time ...`
        : `${now.results.toLocaleString("en")} results in ${now.place}${now.oldest ? `, back to ${when(now.oldest).slice(0, 10)}` : ""}; times in UTC.${reading}`;
    return now;
  } catch (error) {
    place.textContent = String(error.message);
    return null;
  }
}

const empty = (now) => Boolean(now && !now.results && (now.reading || now.trouble));

// Look again while something is read, and show what came since what is shown was asked for.
async function look() {
  clearTimeout(later);
  const turn = shown;
  const now = await state();
  if (turn !== shown || !now) return;
  if (now.results > known || (waiting && !empty(now))) show();
  else if (now.reading || waiting) later = setTimeout(look, 2000);
}

let shown = 0;
async function show() {
  const turn = ++shown;
  const [name, values] = (location.hash.slice(1) || "runs").split("?");
  for (const a of document.querySelectorAll("nav a")) {
    if (a.hash === `#${name}`) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  }
  const now = await state(); // first: what is read from here on is new
  if (turn !== shown) return;
  known = now?.results ?? known;
  waiting = empty(now);
  let content;
  try {
    content = waiting
      ? [el("h2", now.trouble ? "Nothing could be read yet." : "Reading the history for the first time ...")]
      : await (VIEWS[name] ?? runs)(Object.fromEntries(new URLSearchParams(values)));
  } catch (error) {
    content = [el("h2", error.message)];
    if (error.near?.length) content.push(el("p", "Did you mean ", ...error.near.flatMap((one) => [link(one, "node", { name: one }), " "])));
  }
  if (turn !== shown) return;
  main.replaceChildren(...content);
  look();
}

let typed;
document.getElementById("q").addEventListener("input", (event) => {
  clearTimeout(typed);
  typed = setTimeout(async () => {
    const found = await ask("nodes", { q: event.target.value }).catch(() => []);
    const names = [...new Set(found.map((one) => one.name))];
    document.getElementById("names").replaceChildren(...names.map((name) => Object.assign(el("option"), { value: name })));
  }, 200);
});
document.getElementById("find").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = document.getElementById("q").value.trim();
  if (name) location.hash = `node?${new URLSearchParams({ name })}`;
});
addEventListener("hashchange", show);
show();
