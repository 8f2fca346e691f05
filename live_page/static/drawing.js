"use strict";

/* What a visitor draws, with a pen, a finger, a mouse or the arrow keys. */

const KEY_STEP = 10;
const BITMAP = 32;

class Drawing {
  /* changed: called after every stroke and every part of one. */
  constructor(canvas, pen, changed) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { willReadFrequently: true });
    this.pen = pen;
    this.changed = changed;
    this.ink = document.createElement("canvas");
    this.ink.width = canvas.width;
    this.ink.height = canvas.height;
    this.inked = this.ink.getContext("2d", { willReadFrequently: true });
    this.stroke = null;
    this.keyboard = { x: canvas.width / 2, y: canvas.height / 2, down: false, shown: false };
    this.listen();
    this.clear();
  }

  listen() {
    const on = (name, call) => this.canvas.addEventListener(name, call);
    on("pointerdown", (event) => this.begin(event));
    on("pointermove", (event) => this.go(event));
    ["pointerup", "pointercancel"].forEach((name) => on(name, () => { this.stroke = null; }));
    on("keydown", (event) => this.press(event));
    on("blur", () => { Object.assign(this.keyboard, { down: false, shown: false }); this.show(); });
  }

  clear() {
    this.inked.fillStyle = "#000";
    this.inked.fillRect(0, 0, this.ink.width, this.ink.height);
    this.empty = true;
    this.show();
  }

  erase() {
    this.clear();
    this.changed();
  }

  show() {
    this.context.drawImage(this.ink, 0, 0);
    if (!this.keyboard.shown) return;
    this.context.strokeStyle = this.keyboard.down ? "#ff9d00" : "#7db8ff";
    this.context.lineWidth = 3;
    this.context.beginPath();
    this.context.arc(this.keyboard.x, this.keyboard.y, 9, 0, 2 * Math.PI);
    this.context.stroke();
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return {
      x: (event.clientX - box.left) * this.canvas.width / box.width,
      y: (event.clientY - box.top) * this.canvas.height / box.height,
    };
  }

  begin(event) {
    if (event.button > 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.stroke = this.place(event);
    this.line(this.stroke, this.stroke);
  }

  go(event) {
    if (this.stroke === null) return;
    const events = event.getCoalescedEvents?.() ?? [];
    (events.length ? events : [event]).forEach((each) => {
      const next = this.place(each);
      this.line(this.stroke, next);
      this.stroke = next;
    });
  }

  line(from, to) {
    Object.assign(this.inked, { strokeStyle: "#fff", lineWidth: Number(this.pen.value) });
    Object.assign(this.inked, { lineCap: "round", lineJoin: "round" });
    this.inked.beginPath();
    this.inked.moveTo(from.x, from.y);
    this.inked.lineTo(to.x, to.y);
    this.inked.stroke();
    this.empty = false;
    this.show();
    this.changed();
  }

  press(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const step = steps[event.key];
    if (step) this.move(step);
    else if (event.key === " ") this.dip();
    else if (event.key === "Delete" || event.key === "Backspace") this.erase();
    else return;
    event.preventDefault();
  }

  move([across, down]) {
    const held = (value, most) => Math.min(Math.max(value, 0), most);
    const from = { ...this.keyboard };
    this.keyboard.shown = true;
    this.keyboard.x = held(from.x + across * KEY_STEP, this.canvas.width);
    this.keyboard.y = held(from.y + down * KEY_STEP, this.canvas.height);
    if (this.keyboard.down) this.line(from, this.keyboard);
    else this.show();
  }

  dip() {
    this.keyboard.shown = true;
    this.keyboard.down = !this.keyboard.down;
    if (this.keyboard.down) this.line(this.keyboard, this.keyboard);
    else this.show();
  }

  /* Left, top, width, height of all ink: a square around its middle. */
  frame() {
    const { width, height } = this.ink;
    const data = this.inked.getImageData(0, 0, width, height).data;
    let [left, top, right, bottom] = [width, height, 0, 0];
    for (let i = 0; i < width * height; i += 1) {
      if (data[4 * i] > 127) {
        const [x, y] = [i % width, Math.floor(i / width)];
        [left, right] = [Math.min(left, x), Math.max(right, x + 1)];
        [top, bottom] = [Math.min(top, y), Math.max(bottom, y + 1)];
      }
    }
    const side = Math.max(right - left, bottom - top, 1);
    return [(left + right - side) / 2, (top + bottom - side) / 2, side, side];
  }

  scaled(frame, size) {
    const small = document.createElement("canvas");
    small.width = small.height = size;
    const context = small.getContext("2d", { willReadFrequently: true });
    Object.assign(context, { imageSmoothingEnabled: true, imageSmoothingQuality: "high" });
    context.drawImage(this.ink, ...frame, 0, 0, size, size);
    const data = context.getImageData(0, 0, size, size).data;
    return Uint8Array.from({ length: size * size }, (_, i) => data[4 * i]);
  }

  /* As the digits were made: 32 x 32 bits that the digit fills; a pixel counts 4 x 4 of them. */
  countedPixels(size) {
    const bits = this.scaled(this.frame(), BITMAP);
    const block = BITMAP / size;
    return Uint8Array.from({ length: size * size }, (_, i) => {
      const [x, y] = [(i % size) * block, Math.floor(i / size) * block];
      let count = 0;
      for (let k = 0; k < block * block; k += 1) {
        const at = (y + Math.floor(k / block)) * BITMAP + x + k % block;
        count += bits[at] > 127 ? 1 : 0;
      }
      return Math.round(count * 255 / (block * block));
    });
  }

  /* As it is, in grey. */
  greyPixels(size) {
    return this.scaled([0, 0, this.ink.width, this.ink.height], size);
  }
}
