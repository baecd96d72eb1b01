// The picture on the first page: SVG that is drawn anew whenever a slider moves.

import { distance, normalize, stream } from "./demo_numbers.js";

const STEPS = 300, MEAN = 2, STD = 0.5, PROBE = MEAN + STD, TRUTH = 1;
const SIZES = [1, 2, 3, 5, 10, 20, 50, 128], DECAYS = [0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998];
const NAMES = { bn: "BN", brn: "BRN", renorm_debias: "renorm_debias" };
const LEFT = 40, RIGHT_EDGE = 40, TOP = 10, BOTTOM = 36, HEIGHT = 230;

const root = document.getElementById("demo");
const input = (name) => root.querySelector(`[name=${name}]`);
let seed = 1, WIDTH = 400;                       // as many units as there are pixels

const x = (t) => LEFT + (t / STEPS) * (WIDTH - LEFT - RIGHT_EDGE);
const scale = ([low, high]) => (v) =>
  TOP + ((high - Math.min(Math.max(v, low), high)) / (high - low)) * (HEIGHT - TOP - BOTTOM);

function axes(y, ticks, label) {
  const parts = ticks.map((v) =>
    `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT_EDGE}" y1="${y(v)}" y2="${y(v)}"/>` +
    `<text x="${LEFT - 7}" y="${y(v) + 4}" text-anchor="end">${v}</text>`);
  for (const t of [0, 100, 200, 300]) {
    parts.push(`<text x="${x(t)}" y="${HEIGHT - BOTTOM + 17}" text-anchor="middle">${t}</text>`);
  }
  parts.push(`<text x="${x(STEPS / 2)}" y="${HEIGHT - 3}" text-anchor="middle">${label}</text>`);
  return parts.join("");
}

const dots = (values, y, name) => values.map((v, i) =>
  `<circle class="${name}" cx="${x(i + 1).toFixed(1)}" cy="${y(v).toFixed(1)}" r="1.9"/>`).join("");
const line = (values, y, name) =>
  `<polyline class="${name}" points="${values.map((v, i) =>
    `${x(i + 1).toFixed(1)},${y(v).toFixed(1)}`).join(" ")}"/>`;
const level = (v, y) =>
  `<line class="truth" x1="${LEFT}" x2="${WIDTH - RIGHT_EDGE}" y1="${y(v)}" y2="${y(v)}"/>` +
  `<text class="truth" x="${WIDTH - RIGHT_EDGE + 5}" y="${y(v) + 4}">truth</text>`;

function draw() {
  const m = SIZES[input("batch").value], decay = DECAYS[input("decay").value];
  input("batch").setAttribute("aria-valuetext", `${m} values`);
  input("decay").setAttribute("aria-valuetext", String(decay));
  root.querySelector("output.batch").textContent = m;
  root.querySelector("output.decay").textContent = decay;
  const found = normalize(stream(seed, STEPS, m, MEAN, STD), PROBE, decay);

  const outputs = scale([-1, 4]), stds = scale([0, 1.1]);
  const order = ["bn", "brn", "renorm_debias"];
  WIDTH = root.querySelector("figure").clientWidth || 400;
  for (const picture of root.querySelectorAll("svg")) {
    picture.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    picture.setAttribute("height", HEIGHT);
  }
  root.querySelector("svg.outputs").innerHTML = axes(outputs, [-1, 0, 1, 2, 3, 4], "step t") +
    dots(found.bn.output, outputs, "bn") + line(found.brn.output, outputs, "brn") +
    line(found.renorm_debias.output, outputs, "renorm_debias") + level(TRUTH, outputs);
  root.querySelector("svg.deviations").innerHTML =
    axes(stds, [0, 0.25, 0.5, 0.75, 1], "step t") + dots(found.bn.std, stds, "bn") +
    line(found.brn.std, stds, "brn") + line(found.renorm_debias.std, stds, "renorm_debias") +
    level(STD, stds);

  const rows = order.map((name) => {
    const off = (from, to) => distance(found[name].output, TRUTH, from, to).toFixed(2);
    return `<tr><th scope="row"><i class="${name}"></i>${NAMES[name]}</th>` +
      `<td>${off(0, 50)}</td><td>${off(STEPS - 100, STEPS)}</td></tr>`;
  });
  root.querySelector("tbody").innerHTML = rows.join("");
  const said = order.map((name) => `${NAMES[name]} ` +
    `${distance(found[name].output, TRUTH, 0, 50).toFixed(2)} in the first 50 steps, ` +
    `${distance(found[name].output, TRUTH, STEPS - 100, STEPS).toFixed(2)} in the last 100`);
  root.querySelector("svg.outputs").setAttribute("aria-label",
    `What each normalizer makes of the same value over ${STEPS} steps, batch size ${m}, ` +
    `decay ${decay}. Distance from the truth, 1: ${said.join("; ")}.`);
  root.querySelector("svg.deviations").setAttribute("aria-label",
    `The deviation that each normalizer divides by; the true one is ${STD}. At the last step: ` +
    order.map((name) => `${NAMES[name]} ${found[name].std[STEPS - 1].toFixed(2)}`).join(", ") + ".");
}

window.addEventListener("resize", draw);
for (const name of ["batch", "decay"]) input(name).addEventListener("input", draw);
root.querySelector("button").addEventListener("click", () => { seed += 1; draw(); });
draw();
root.classList.add("drawn");
