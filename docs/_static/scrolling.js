/* What scrolls sideways can be reached, and scrolled, with the keyboard. */
"use strict";

function reachScrolling() {
  document.querySelectorAll("pre, .table-wrapper").forEach((each) => {
    if (each.scrollWidth > each.clientWidth) each.tabIndex = 0;
    else each.removeAttribute("tabindex");
  });
}

document.addEventListener("DOMContentLoaded", reachScrolling);
addEventListener("resize", reachScrolling);
