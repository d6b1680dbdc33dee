"use strict";
// Tables sort by their headers: up, down, as they were. A link to a row opens what hides it, and the line that reads
// rows from the files then names that row.
(() => {
  const own = (text) => text.trim().replaceAll("−", "-").replace(/(\d),(?=\d{3})/g, "$1");
  const isNumber = (text) => /^[-+]?[\d.]/.test(text);
  const missing = (text) => text === "" || text === "–";

  function order(texts) {
    const shown = texts.filter((text) => !missing(text));
    const numeric = shown.every(isNumber);
    const compare = numeric
      ? (a, b) => parseFloat(texts[a]) - parseFloat(texts[b])
      : (a, b) => texts[a].localeCompare(texts[b], "en", { numeric: true });
    return (sign) => [...texts.keys()].sort((a, b) =>
      missing(texts[a]) - missing(texts[b]) || (missing(texts[a]) ? 0 : sign * compare(a, b)) || a - b);
  }

  function sortable(table) {
    const body = table.tBodies[0];
    const rows = body ? [...body.rows] : [];
    if (!table.tHead || rows.length < 3) return;
    const headers = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
    const sort = (header, column) => {
      const next = { none: "ascending", ascending: "descending", descending: "none" }[header.ariaSort];
      headers.forEach((other) => { other.ariaSort = "none"; });
      header.ariaSort = next;
      table.classList.toggle("sorted", next !== "none");
      const by = order(rows.map((row) => own(row.cells[column].textContent)));
      const places = next === "none" ? [...rows.keys()] : by(next === "ascending" ? 1 : -1);
      body.append(...places.map((place) => rows[place]));
    };
    headers.forEach((header, column) => {
      if (!header.textContent.trim()) return;
      const button = document.createElement("span");  // Chromium leaves a true button out of headers repeated in print
      button.role = "button";
      button.tabIndex = 0;
      button.append(...header.childNodes);
      header.append(button);
      header.ariaSort = "none";
      button.addEventListener("click", () => sort(header, column));
      button.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        sort(header, column);
      });
    });
  }

  function show() {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const hiding = target && target.closest("details");
    if (!hiding) return;
    hiding.open = true;
    target.scrollIntoView({ block: "center" });
    for (const [name, text] of Object.entries({ ...hiding.dataset, ...target.dataset })) {
      const place = document.getElementById(`filter-${name}`);
      if (place) place.textContent = JSON.stringify(text);
    }
  }

  document.querySelectorAll("table").forEach(sortable);
  document.documentElement.classList.add("script");
  addEventListener("hashchange", show);
  show();
})();
