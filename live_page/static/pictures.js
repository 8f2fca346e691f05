"use strict";

/* Arrays of bytes as pictures. */

function paintGrey(canvas, bytes, width, height) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const picture = context.createImageData(width, height);
  bytes.forEach((byte, i) => picture.data.set([byte, byte, byte, 255], 4 * i));
  context.putImageData(picture, 0, 0);
}

/* Two colours of the style sheet, as numbers: of the smallest number and of the largest. */
function layerColors() {
  const style = getComputedStyle(document.documentElement);
  return ["--low", "--high"].map((name) => {
    const text = style.getPropertyValue(name).trim().slice(1);
    return [0, 2, 4].map((at) => parseInt(text.slice(at, at + 2), 16));
  });
}

/* All channels of a layer, in rows of squares with a pixel between them. */
function paintLayer(canvas, layer, codes, [low, high]) {
  const { channels, height, width, zero } = layer;
  const across = Math.ceil(Math.sqrt(channels));
  const down = Math.ceil(channels / across);
  canvas.width = across * (width + 1) - 1;
  canvas.height = down * (height + 1) - 1;
  const least = codes.reduce((held, code) => Math.min(held, code), zero);
  const most = codes.reduce((held, code) => Math.max(held, code), least + 1);
  const context = canvas.getContext("2d");
  const picture = context.createImageData(canvas.width, canvas.height);
  codes.forEach((code, i) => {
    const channel = Math.floor(i / (height * width));
    const y = Math.floor(channel / across) * (height + 1) + Math.floor(i / width) % height;
    const x = (channel % across) * (width + 1) + i % width;
    const part = (code - least) / (most - least);
    const color = low.map((from, k) => Math.round(from + part * (high[k] - from)));
    picture.data.set([...color, 255], 4 * (y * canvas.width + x));
  });
  context.putImageData(picture, 0, 0);
}
