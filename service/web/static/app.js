// Comfort only: every page works without this file. Shortcuts click the same controls that a mouse would.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const status = () => document.getElementById("status");

  const ago = (date) => {
    const s = (Date.now() - date) / 1000;
    if (s < 45) return "just now";
    if (s < 3600) return `${Math.max(1, Math.round(s / 60))} min ago`;
    if (s < 86400) return `${Math.round(s / 3600)} h ago`;
    return s < 30 * 86400 ? `${Math.round(s / 86400)} d ago` : date.toLocaleDateString(undefined, { dateStyle: "medium" });
  };
  const here = (date, timeStyle) => date.toLocaleString(undefined, { dateStyle: "medium", timeStyle });
  const refreshTimes = () => all("time[data-ago]").forEach((time) => {
    const date = new Date(time.dateTime);
    time.textContent = ago(date);
    if (!time.dataset.here) time.title = `${time.dataset.here = here(date, "long")}\n${time.title}`;
  });
  const showTimes = () => all("time:not([data-ago], [title])").forEach((time) => {
    time.title = time.textContent;
    time.textContent = here(new Date(time.dateTime), "short");
  });

  const copy = async (button) => {
    const words = button.innerHTML;
    await fillNow();
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.innerHTML = words; }, 1500);
  };
  const showCopyButtons = () => all("[data-copy]").forEach((button) => { button.hidden = !navigator.clipboard; });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy], [data-keys-switch]");
    if (button?.dataset.copy) copy(button);
    else if (button) { localStorage.keys = keysOn() ? "off" : "on"; showKeys(); }
  });

  const ask = (address) => fetch(address).catch(() => null);
  const quote = (name) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const show = (code, words, open) => {
    const pattern = open.length ? new RegExp(`(?<![A-Za-z0-9_])(${open.map(quote).join("|")})(?![A-Za-z0-9_])`) : /$^/;
    code.replaceChildren(...words.trimEnd().split(pattern).map((part, at) => {
      if (at % 2 === 0) return part;
      return Object.assign(document.createElement("span"), { className: "placeholder", textContent: part });
    }));
  };
  const fill = async (form) => {
    const place = form.dataset.fill, fault = form.querySelector(".error"), inputs = all("input", form);
    const address = form.dataset.asked = `${place}?${new URLSearchParams(new FormData(form))}`;
    const reply = await ask(address), refused = reply?.status === 422;
    const told = refused ? await reply.text() : "The service does not answer; the text is not as you typed.";
    const whole = refused ? await ask(place) : reply;
    const words = whole?.ok && await whole.text();
    if (form.dataset.asked !== address) return;
    fault.hidden = Boolean(reply?.ok);
    fault.textContent = fault.hidden ? "" : told;
    if (!words) return;
    const open = inputs.filter((input) => refused || !input.value).map((input) => input.name.replace("fill-", ""));
    show(document.getElementById(form.dataset.target), words, open);
    form.closest(".box").querySelector("a[download]").href = refused ? place : address;
  };
  let timer = 0, waiting = null, filled = null;
  const fillNow = () => {
    clearTimeout(timer);
    if (waiting) filled = fill(waiting);
    waiting = null;
    return filled;
  };
  document.addEventListener("input", (event) => {
    const form = event.target.closest("[data-fill]");
    if (!form) return;
    if (waiting !== form) fillNow();
    waiting = form;
    clearTimeout(timer);
    timer = setTimeout(fillNow, 150);
  });

  const say = (field, message) => {
    const id = `error-${field.id}`, told = document.getElementById(id);
    if (!message) told?.remove();
    else if (told) told.textContent = message;
    else field.closest(".field").append(Object.assign(document.createElement("p"), { className: "error", id, textContent: message }));
    if (!field.matches("input, select, textarea")) return;
    for (const [name, value] of [["aria-invalid", "true"], ["aria-describedby", id]])
      if (message) field.setAttribute(name, value); else field.removeAttribute(name);
  };
  let checking = 0;
  const check = async (form) => {
    const mine = ++checking;
    const reply = await fetch(form.dataset.check, { method: "POST", body: new URLSearchParams(new FormData(form)) }).catch(() => null);
    const errors = reply?.ok && await reply.json();
    if (!errors || mine !== checking) return;
    [...new Set([...form.dataset.touched.split(" "), "verdict", "cause", "confidence", "artifacts"])].map((id) => document.getElementById(id)).forEach((field) => say(field, errors[field.id]));
  };
  let typing = 0;
  document.addEventListener("input", (event) => {
    const form = event.target.closest("[data-check]");
    if (!form || !event.target.id) return;
    const touched = new Set((form.dataset.touched ?? "").split(" ").filter(Boolean)).add(event.target.id);
    all("[aria-invalid]", form).forEach((field) => touched.add(field.id));
    form.dataset.touched = [...touched].join(" ");
    clearTimeout(typing);
    typing = setTimeout(check, 500, form);
  });

  const keysOn = () => localStorage.keys !== "off";
  const showKeys = () => {
    all("[data-keys]").forEach((list) => { list.hidden = !keysOn(); });
    all("[data-keys-switch]").forEach((button) => {
      button.hidden = false;
      button.setAttribute("aria-pressed", keysOn());
      button.querySelector("[data-keys-state]").textContent = keysOn() ? "on" : "off";
    });
  };

  const move = (step) => {
    const rows = all("[data-row]");
    if (!rows.length) return all(step > 0 ? "[data-next]" : "[data-previous]")[0]?.click();
    const at = rows.indexOf(document.activeElement);
    rows[at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + step))].focus();
  };
  const tick = () => {
    const box = document.activeElement.closest("li")?.querySelector("[data-pick]");
    if (box) box.checked = !box.checked;
    return Boolean(box);
  };
  const press = (control) => {
    if (control.matches("input, textarea")) return control.focus();
    control.click();
    if (control.matches("summary")) control.parentElement.querySelector("input[type=radio], select, input:not([type=hidden])")?.focus();
  };
  document.addEventListener("keydown", (event) => {
    if (!keysOn() || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]")) return;
    if (event.key === "x" && tick()) return event.preventDefault();
    const step = { j: 1, k: -1 }[event.key];
    const control = all("[data-key]").find((item) => item.dataset.key === event.key);
    if (!step && !control) return;
    event.preventDefault();
    if (step) move(step); else press(control);
  });

  const hint = (page) => {
    const links = (root) => all("[data-row]", root).map((row) => row.getAttribute("href")).join();
    const [tabs, fresh] = [document, page].map((root) => root.querySelector("nav.tabs"));
    if (tabs && fresh && !tabs.contains(document.activeElement)) tabs.replaceWith(fresh);
    document.title = page.title;
    const changed = links(page) !== links(document);
    const note = document.querySelector("[data-fresh]");
    if (changed && note.hidden) status().textContent = "The list has changed.";
    note.hidden = !changed;
  };
  let quiet = 0;
  const poll = async () => {
    const old = document.querySelector("[data-live]");
    if (document.hidden || (!old && (!document.querySelector("[data-fresh]") || ++quiet % 3))) return;
    const reply = await fetch(old?.dataset.from ?? location.href, { headers: { accept: "text/html" } }).catch(() => null);
    if (!reply?.ok || reply.redirected) return;
    const page = new DOMParser().parseFromString(await reply.text(), "text/html");
    if (!old) return hint(page);
    const fresh = page.getElementById("live");
    if (!fresh) return;
    all("[data-pick]:checked", old).forEach((box) => {
      all("[data-pick]", fresh).filter((other) => other.value === box.value).forEach((other) => { other.checked = true; });
    });
    const focused = old.contains(document.activeElement) && document.activeElement.getAttribute("href");
    if (fresh.dataset.live !== old.dataset.live) status().textContent = old.dataset.live;
    old.replaceWith(fresh);
    document.title = page.title;
    refreshTimes();
    if (focused) all("a", fresh).find((link) => link.getAttribute("href") === focused)?.focus();
    showCopyButtons();
  };

  let stream = null;
  const watch = () => {
    const address = document.querySelector("[data-progress]")?.dataset.progress;
    if (!address || stream || !window.EventSource) return;
    stream = new EventSource(address);
    stream.addEventListener("error", () => { if (stream?.readyState === EventSource.CLOSED) stream = null; });
    stream.addEventListener("message", (event) => {
      const told = JSON.parse(event.data);
      if (told.ended) { stream.close(); stream = null; poll(); return; }
      all("[data-told]").forEach((place) => { place.textContent = told[place.dataset.told]; });
    });
  };

  all("input[data-filter]").forEach((field) => field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase().split(/\s+/);
    const groups = all(`#${field.dataset.filter} > section`);
    groups.forEach((group) => {
      const shown = all("li", group).filter((item) => {
        item.hidden = !wanted.every((word) => item.textContent.toLowerCase().includes(word));
        return !item.hidden;
      });
      group.hidden = !shown.length;
    });
    document.getElementById("none").hidden = groups.some((group) => !group.hidden);
  }));

  document.querySelector(".top [aria-current]")?.scrollIntoView({ inline: "nearest", block: "nearest" });
  showCopyButtons();
  showKeys();
  refreshTimes();
  showTimes();
  watch();
  setInterval(refreshTimes, 30000);
  setInterval(() => { if (!stream) poll(); }, 5000);
})();
