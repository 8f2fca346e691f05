"use strict";
// Sorts tables and tells the numbers behind a drawing, by pointer and by keyboard. The page says
// all of it without this script, too, in its tables.
(() => {
  document.documentElement.classList.add("js");

  // ---- tables ----
  const keyOf = (row, column) => {
    const cell = row.cells[column];
    const number = cell.dataset.value ?? cell.textContent.trim().replaceAll(",", "");
    const read = number === "" ? NaN : Number(number);
    return Number.isNaN(read) ? cell.textContent.trim().toLowerCase() : read;
  };
  const compare = (a, b) => {
    if (typeof a === typeof b) return a < b ? -1 : a > b ? 1 : 0;
    return typeof a === "number" ? -1 : 1; // what has no number comes last
  };
  const sort = (table, column) => {
    const heads = [...table.tHead.rows[0].cells];
    const falling = heads[column].getAttribute("aria-sort") === "ascending";
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", falling ? "descending" : "ascending");
    const rows = [...table.tBodies[0].rows].map((row) => [keyOf(row, column), row]);
    rows.sort(([a], [b]) => (falling && typeof a === typeof b ? compare(b, a) : compare(a, b)));
    table.tBodies[0].append(...rows.map(([, row]) => row));
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      button.addEventListener("click", () => sort(table, column));
      head.append(button);
    });
  }

  // ---- drawings ----
  const tip = document.createElement("div");
  tip.id = "tip";
  tip.setAttribute("role", "status");
  document.body.append(tip);
  const hide = () => tip.classList.remove("shown");
  const show = (lines, x, y) => {
    tip.replaceChildren(...lines.map((line) => Object.assign(document.createElement("p"), { textContent: line })));
    tip.classList.add("shown");
    const { offsetWidth: width, offsetHeight: height } = tip;
    tip.style.left = `${Math.max(8, Math.min(x + 14, innerWidth - width - 8))}px`;
    tip.style.top = `${y + height + 22 > innerHeight ? Math.max(8, y - height - 14) : y + 14}px`;
  };
  const numbers = (text) => text.split(",").map(Number);
  const written = (value) => Number(value.toPrecision(4)).toLocaleString("en");

  // A drawing tells of `count` places: `at` finds one near a point in [0, 1] x [0, 1] of it,
  // `of` says where one lies, `say` what is there, `step` where an arrow key leads.
  const lines = (svg) => {
    const [x0, x1, left, right] = numbers(svg.dataset.x);
    const [y0, y1, bottom, top] = numbers(svg.dataset.y);
    const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
    const toX = (u) => x0 + ((u - left) / (right - left)) * (x1 - x0);
    const toY = (u) => y0 + ((u - bottom) / (top - bottom)) * (y1 - y0);
    const curves = [...svg.querySelectorAll("polyline[data-name]")].map((line) => ({
      name: line.dataset.name,
      points: line.getAttribute("points").split(" ").filter(Boolean).map(numbers),
    }));
    const places = [...new Set(curves.flatMap((curve) => curve.points.map((point) => point[0])))].sort((a, b) => a - b);
    const near = (u) => places.reduce((best, x, i) => (Math.abs(x - u) < Math.abs(places[best] - u) ? i : best), 0);
    return {
      count: places.length,
      at: (x) => near(x * width),
      of: (i) => [places[i] / width, top / height],
      say: (i) => [
        `${svg.dataset.xName} ${written(toX(places[i]))}`,
        ...curves.flatMap((curve) => {
          const found = curve.points.find((point) => point[0] === places[i]);
          return found ? [`${curve.name}: ${written(toY(found[1]))}`] : [];
        }),
      ],
      step: { ArrowLeft: -1, ArrowRight: 1 },
    };
  };
  const weights = (svg) => {
    const every = numbers(svg.dataset.every);
    const effectual = svg.dataset.effectual && numbers(svg.dataset.effectual);
    const edge = Number(svg.dataset.largest);
    const border = (i) => written(edge * ((2 * i) / every.length - 1));
    return {
      count: every.length,
      at: (x) => Math.floor(x * every.length),
      of: (i) => [(i + 0.5) / every.length, 0.5],
      say: (i) => [
        `${border(i)} to ${border(i + 1)}`,
        `${written(every[i])} weights`,
        ...(effectual ? [`${written(effectual[i])} effectual`] : []),
      ],
      step: { ArrowLeft: -1, ArrowRight: 1 },
    };
  };
  const map = (svg) => {
    const counts = numbers(svg.dataset.counts);
    const across = svg.dataset.across.split(",");
    const down = svg.dataset.down.split(",");
    return {
      count: counts.length,
      at: (x, y) => Math.floor(y * down.length) * across.length + Math.floor(x * across.length),
      of: (i) => [((i % across.length) + 0.5) / across.length, (Math.floor(i / across.length) + 0.5) / down.length],
      say: (i) => [`filters ${across[i % across.length]}${down[Math.floor(i / across.length)]}`, `${written(counts[i])} inputs`],
      step: { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across.length, ArrowDown: across.length },
    };
  };
  const talk = (svg, told) => {
    if (!told.count) return;
    let place = 0;
    const inside = (i) => Math.max(0, Math.min(told.count - 1, i));
    const tell = (x, y) => show(told.say(place), x, y);
    const tellHere = () => {
      const box = svg.getBoundingClientRect();
      const [x, y] = told.of(place);
      tell(box.left + x * box.width, box.top + y * box.height);
    };
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      place = inside(told.at((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height));
      tell(event.clientX, event.clientY);
    });
    svg.addEventListener("pointerleave", hide);
    svg.addEventListener("focus", () => svg.matches(":focus-visible") && tellHere());
    svg.addEventListener("blur", hide);
    svg.addEventListener("keydown", (event) => {
      const step = told.step[event.key];
      if (event.key === "Escape") hide();
      if (step === undefined) return;
      event.preventDefault();
      place = inside(place + step);
      tellHere();
    });
  };
  for (const svg of document.querySelectorAll("svg.lines")) talk(svg, lines(svg));
  for (const svg of document.querySelectorAll("svg.weights")) talk(svg, weights(svg));
  for (const svg of document.querySelectorAll("svg.map")) talk(svg, map(svg));
  for (const dot of document.querySelectorAll("[data-tip]")) {
    dot.querySelector("title")?.remove(); // the same words, told at once
    dot.addEventListener("pointermove", (event) => show([dot.dataset.tip], event.clientX, event.clientY));
    dot.addEventListener("pointerleave", hide);
  }

  // ---- paper ----
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details:not([open])")) {
      details.open = true;
      details.dataset.closed = "";
    }
  });
  addEventListener("afterprint", () => {
    for (const details of document.querySelectorAll("details[data-closed]")) details.open = false;
  });
})();
