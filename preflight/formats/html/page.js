"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);
  for (const each of all("[hidden]")) each.hidden = false;

  // Light or dark: the system's setting, until the button is pressed.
  const theme = byId("theme");
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const showTheme = () => theme.setAttribute("aria-pressed", isDark());
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    showTheme();
  });
  dark.addEventListener("change", showTheme);
  showTheme();

  // A link to a folded check unfolds it; a link to a filtered row clears the filter.
  const reveal = (id) => {
    const target = byId(id);
    for (let each = target; each; each = each.parentElement) if (each.tagName === "DETAILS") each.open = true;
    if (target?.closest("[hidden]")) clear();
    return target;
  };
  const arrive = () => reveal(location.hash.slice(1))?.scrollIntoView();
  addEventListener("hashchange", arrive);
  addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    if (link) reveal(link.getAttribute("href").slice(1));
  });

  // A page that was not loaded securely may not write to the clipboard: then the command is selected.
  for (const button of all(".copy")) {
    const command = button.parentElement.querySelector("code");
    button.addEventListener("click", async () => {
      getSelection().selectAllChildren(command);
      try {
        await navigator.clipboard.writeText(command.textContent);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Selected";
      }
    });
  }

  const checks = all(".check");
  const fold = byId("fold");
  if (fold) {
    fold.addEventListener("click", () => {
      const open = fold.getAttribute("aria-pressed") !== "true";
      fold.setAttribute("aria-pressed", open);
      for (const check of checks) check.open = open;
    });
  }

  // Print everything unfolded.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = all("details:not([open])");
    for (const each of folded) each.open = true;
  });
  addEventListener("afterprint", () => {
    for (const each of folded) each.open = false;
  });

  // Show the keys that match every filter.
  const rows = all(".keys [data-status]");
  const text = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  const boxes = all(".filter input[type=checkbox]");
  const search = byId("search");
  const filter = () => {
    const terms = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = (name) => boxes.filter((box) => box.name === name && box.checked).map((box) => box.value);
    const [statuses, evidence] = [chosen("status"), chosen("evidence")];
    for (const row of rows) {
      row.hidden = !(
        terms.every((term) => text.get(row).includes(term)) &&
        (!statuses.length || statuses.includes(row.dataset.status)) &&
        (!evidence.length || evidence.includes(row.dataset.evidence))
      );
    }
    for (const body of all(".keys tbody")) body.hidden = !all("[data-status]:not([hidden])", body).length;
    byId("matches").textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} keys`;
  };
  function clear() {
    search.value = "";
    for (const box of boxes) box.checked = false;
    filter();
  }
  if (search) {
    for (const each of [search, ...boxes]) each.addEventListener("input", filter);
    byId("clear").addEventListener("click", clear);
    filter(); // a browser may have kept the text of the search field
  }

  // The map: a node under the pointer, or with the focus, is highlighted with its connections.
  for (const map of all(".map")) {
    const nodes = all(".node", map);
    const connections = all(".connection", map);
    const columns = [all(".service", map), connections, all(".resource", map)];
    const touches = (connection, node) =>
      node.classList.contains("service")
        ? connection.dataset.service === node.dataset.service
        : connection.dataset.resource === node.dataset.resource;
    const connectionsOf = (node) => (connections.includes(node) ? [node] : connections.filter((connection) => touches(connection, node)));
    const highlight = (node) => {
      const highlighted = node ? connectionsOf(node) : [];
      map.classList.toggle("highlighted", Boolean(node));
      for (const connection of connections) connection.classList.toggle("highlighted", highlighted.includes(connection));
      for (const each of nodes) each.classList.toggle("highlighted", each === node || highlighted.some((connection) => touches(connection, each)));
    };
    const under = (event) => event.target.closest(".node, .connection");
    const focused = () => (map.contains(document.activeElement) ? document.activeElement.closest(".node, .connection") : null);
    const frame = map.parentElement; // with the listeners on the SVG, Tab would stop at the SVG itself
    frame.addEventListener("pointerover", (event) => highlight(under(event) || focused()));
    frame.addEventListener("pointerleave", () => highlight(focused()));
    frame.addEventListener("focusin", (event) => highlight(under(event)));
    frame.addEventListener("focusout", () => highlight(null));

    // The map is one stop for Tab; arrow keys follow the connections.
    let stop = null;
    let near = []; // Up and Down move between these connections
    const rank = (connection) => ["ok", "skip", "warn", "fail"].findIndex((status) => connection.classList.contains(status));
    const top = (connection) => columns[2].findIndex((node) => touches(connection, node)) * 100 + columns[0].findIndex((node) => touches(connection, node));
    const go = (node) => {
      if (!node) return;
      if (stop) stop.setAttribute("tabindex", "-1");
      stop = node;
      stop.setAttribute("tabindex", "0");
      stop.focus();
    };
    const along = (node) => {
      near = connectionsOf(node).sort((one, other) => top(one) - top(other));
      return near.reduce((worst, connection) => (rank(connection) > rank(worst) ? connection : worst), near[0]);
    };
    const moves = {
      ArrowRight: (node, column) => [along(node), columns[2].find((each) => touches(node, each)), null][column],
      ArrowLeft: (node, column) => [null, columns[0].find((each) => touches(node, each)), along(node)][column],
      ArrowDown: (node, column) => beside(node, column, 1),
      ArrowUp: (node, column) => beside(node, column, -1),
      Home: (node, column) => list(column)[0],
      End: (node, column) => list(column).at(-1),
    };
    const list = (column) => (column === 1 ? near : columns[column]);
    const beside = (node, column, step) => list(column)[list(column).indexOf(node) + step];
    for (const node of nodes) node.setAttribute("tabindex", "-1");
    stop = columns[0][0];
    stop?.setAttribute("tabindex", "0");
    frame.addEventListener("keydown", (event) => {
      const node = under(event);
      if (!(event.key in moves) || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      go(moves[event.key](node, columns.findIndex((column) => column.includes(node))));
    });
  }

  arrive();
})();
