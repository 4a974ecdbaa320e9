// Before the first paint: the colours that were chosen here last.
"use strict";
try {
  const chosen = localStorage.getItem("taskq-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch (error) {
  // no storage, no memory: the colours of the system
}
