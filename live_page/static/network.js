"use strict";

/* A network of the page: its document, its WebAssembly, and its test images. */

function bytesOf(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function floatsOf(text) {
  return new Float32Array(bytesOf(text).buffer);
}

class Network {
  /* kind: "simd" or "plain"; by default vectors where the browser has them. */
  static async open(document, kind) {
    const chosen = kind ?? (WebAssembly.validate(bytesOf(document.simd)) ? "simd" : "plain");
    const { instance } = await WebAssembly.instantiate(bytesOf(document[chosen]));
    return new Network(document, chosen, instance.exports);
  }

  constructor(document, kind, calls) {
    this.document = document;
    this.kind = kind;
    this.pixels = document.height * document.width;
    this.images = bytesOf(document.images);
    this.expected = floatsOf(document.expected);
    this.table = floatsOf(document.table);
    this.calls = calls;
    this.input = new Float32Array(calls.memory.buffer, calls.input(), this.pixels);
    this.output = new Float32Array(calls.memory.buffer, calls.output(), document.classes.length);
  }

  get count() {
    return this.document.labels.length;
  }

  /* The bytes of a test image. */
  image(index) {
    return this.images.subarray(index * this.pixels, (index + 1) * this.pixels);
  }

  prepare(image) {
    for (let i = 0; i < this.pixels; i += 1) this.input[i] = this.table[image[i]];
  }

  /* Numbers of every class, of an image of bytes. */
  run(image) {
    this.prepare(image);
    this.calls.run();
    return this.output.slice();
  }

  /* The same, and the codes of every image that the network makes on the way. */
  look(image) {
    this.prepare(image);
    this.calls.look();
    let start = this.calls.codes();
    const layers = this.document.layers.map((layer) => {
      const size = layer.channels * layer.height * layer.width;
      const codes = new Uint8Array(this.calls.memory.buffer, start, size).slice();
      start += size;
      return codes;
    });
    return { scores: this.output.slice(), layers };
  }

  /* How many test images give the very bits that signbin's runtime gives in Python. */
  sameBits() {
    const classes = this.output.length;
    let same = 0;
    for (let i = 0; i < this.count; i += 1) {
      const ours = new Uint32Array(this.run(this.image(i)).buffer);
      const theirs = new Uint32Array(this.expected.slice(i * classes, (i + 1) * classes).buffer);
      same += ours.every((bits, k) => bits === theirs[k]) ? 1 : 0;
    }
    return same;
  }

  /* Mean over as many runs as fit into some milliseconds: a browser's clock is coarse. */
  time(image, milliseconds = 25) {
    this.prepare(image);
    const start = performance.now();
    let runs = 0;
    let passed = 0;
    while (passed < milliseconds) {
      this.calls.run();
      runs += 1;
      passed = performance.now() - start;
    }
    return { milliseconds: passed / runs, runs };
  }
}

function softmax(scores) {
  const most = Math.max(...scores);
  const powers = Array.from(scores, (score) => Math.exp(score - most));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

function largest(numbers) {
  return numbers.reduce((best, number, i) => (number > numbers[best] ? i : best), 0);
}
