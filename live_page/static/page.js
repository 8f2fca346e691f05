"use strict";

/* Joins the parts: what is drawn or picked, what the network says, and how that is shown. */

const part = (id) => document.getElementById(id);
const number = (value) => value.toLocaleString("en");

const shown = { network: null, image: null, layers: [] };
let drawing = null;

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/* Radio buttons, which the arrow keys walk through. */
function choices(name, className, entries) {
  const labels = entries.map(([text, content, chosen], i) => {
    const input = element("input", { type: "radio", name, value: String(i) });
    input.setAttribute("aria-label", text);
    input.addEventListener("change", chosen);
    return element("label", { title: text }, input, content);
  });
  return element("div", { className }, ...labels);
}

function showSamples(network) {
  const { classes, labels, width, height } = network.document;
  const entries = labels.map((label, i) => {
    const canvas = element("canvas");
    canvas.setAttribute("aria-hidden", "true");
    paintGrey(canvas, network.image(i), width, height);
    return [`test image ${i + 1}: ${classes[label]}`, canvas, () => pick(i)];
  });
  part("samples").querySelector("div")?.remove();
  part("samples").append(choices("sample", "", entries));
}

function showLayers(network) {
  shown.layers = network.document.layers.map((layer) => {
    const canvas = element("canvas");
    canvas.setAttribute("role", "img");
    const extents = `${layer.channels} × ${layer.height} × ${layer.width}`;
    const [size, note] = [element("span", {}, extents), element("span")];
    const caption = element("figcaption", {}, element("b", {}, layer.name), size, ", ", note);
    return { layer, canvas, note, figure: element("figure", {}, canvas, caption) };
  });
  part("layers").replaceChildren(...shown.layers.map((each) => each.figure));
}

function showFacts(network) {
  const facts = network.document.facts;
  const bits = 8 * facts.weight_bytes / facts.weights;
  const rows = [
    ["weights of one bit", number(facts.low_bit_weights)],
    ["of them not zero", `${(100 * facts.non_zero / facts.low_bit_weights).toFixed(1)} %`],
    ["all weights, as exported", `${number(facts.weight_bytes)} bytes`],
    ["bits per weight", bits.toFixed(2)],
    ["the same as float32", `${number(facts.float_bytes)} bytes`],
    ["all constants", `${number(facts.constant_bytes)} bytes`],
    ["memory while it runs", `${number(facts.memory_bytes)} bytes`],
    [
      network.kind === "simd" ? "WebAssembly, with vectors" : "WebAssembly, no vectors here",
      `${number(facts.module_bytes[network.kind])} bytes`,
    ],
    [
      "test accuracy, 8-bit activations",
      `${(100 * facts.right / facts.tested).toFixed(2)} % of ${number(facts.tested)}`,
    ],
    ["same bits here as in Python", `${network.sameBits()} of ${network.count} images`],
  ];
  const cells = rows.flatMap(([name, value]) => [
    element("dt", {}, name), element("dd", {}, value),
  ]);
  part("facts").replaceChildren(...cells);
}

function showShares(classes, shares) {
  const best = largest(shares);
  const rows = classes.map((name, i) => {
    const percent = shares.length ? `${(100 * shares[i]).toFixed(1)} %` : "–";
    const bar = element("div", { className: "bar" });
    bar.style.width = `${shares.length ? 75 * shares[i] : 0}%`;
    const share = element("div", { className: "share" }, bar, percent);
    const head = element("th", { scope: "row" }, name);
    const className = shares.length && i === best ? "best" : "";
    return element("tr", { className }, head, element("td", {}, share));
  });
  part("shares").replaceChildren(...rows);
}

/* Readers of screens hear what changes, and nothing else. */
function put(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

function say(id, text) {
  put(part(id), text);
}

function recognise() {
  const { network, image } = shown;
  const { classes, width, height } = network.document;
  paintGrey(part("seen"), image ?? new Uint8Array(width * height), width, height);
  if (image === null) {
    say("answer", "Draw something");
    say("time", "");
    showShares(classes, []);
    paintLayers(network.look(new Uint8Array(width * height)).layers);
    return;
  }
  const { scores, layers } = network.look(image);
  showShares(classes, softmax(scores));
  paintLayers(layers);
  say("answer", classes[largest(Array.from(scores))]);
}

function paintLayers(layers) {
  const colors = layerColors();
  shown.layers.forEach(({ layer, canvas, note }, i) => {
    paintLayer(canvas, layer, layers[i], colors);
    const busy = layers[i].reduce((count, code) => count + (code === layer.zero ? 0 : 1), 0);
    const percent = `${Math.round(100 * busy / layers[i].length)} % not zero`;
    put(note, percent);
    canvas.setAttribute("aria-label", `${layer.name}: ${layer.channels} channels, ${percent}`);
  });
}


function showTime() {
  if (shown.image === null) return;
  const { milliseconds, runs } = shown.network.time(shown.image);
  const digits = milliseconds < 1 ? 3 : 2;
  const vectors = shown.network.kind === "simd" ? "with vectors" : "without vectors";
  say("time", `${milliseconds.toFixed(digits)} ms per image here, ${vectors}: mean of ${runs} runs`);
}

function pick(index) {
  const { document: about } = shown.network;
  shown.image = shown.network.image(index);
  recognise();
  showTime();
  const right = part("answer").textContent === about.classes[about.labels[index]];
  say("truth", `Test image ${index + 1} is labelled ${about.classes[about.labels[index]]}` +
    `${right ? "" : ": the network is wrong"}.`);
}

/* Once per frame at most, however fast a pen is; times are taken when it rests. */
let waiting = 0;
let resting = 0;
function drawn() {
  if (waiting || shown.network === null) return;
  waiting = requestAnimationFrame(() => {
    waiting = 0;
    document.querySelectorAll("#samples input:checked").forEach((input) => { input.checked = false; });
    say("truth", "");
    const { name, width } = shown.network.document;
    const pixels = () =>
      name === "digits" ? drawing.countedPixels(width) : drawing.greyPixels(width);
    shown.image = drawing.empty ? null : pixels();
    recognise();
    clearTimeout(resting);
    resting = setTimeout(showTime, 200);
  });
}

/* The network that was asked for last, whichever is ready first. */
let asked = null;
async function choose(document_) {
  asked = document_;
  const opened = await Network.open(document_);
  if (asked !== document_) return;
  shown.network = opened;
  say("extent", `${document_.width} × ${document_.height}`);
  showSamples(shown.network);
  showLayers(shown.network);
  showFacts(shown.network);
  drawing.clear();
  part("samples").querySelector("input").checked = true;
  pick(0);
}

async function start() {
  drawing = new Drawing(part("drawing"), part("pen"), drawn);
  part("clear").addEventListener("click", () => drawing.erase());
  const entries = NETWORKS.map((document_) => {
    const text = `${document_.title}, ${document_.width} × ${document_.height}`;
    return [text, text, () => choose(document_)];
  });
  part("networks").append(choices("network", "choices", entries));
  part("networks").querySelector("input").checked = true;
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recognise);
  await choose(NETWORKS[0]);
  document.body.dataset.ready = "yes";
}

start().catch((error) => {
  part("problem").textContent = `This page does not work here: ${error.message}`;
  part("problem").hidden = false;
  throw error;
});
