// Follows new cases on the live page. Without it the page says how to look again by hand.
"use strict";
(function () {
  var list = document.getElementById("live-list");
  var state = document.getElementById("live-state");
  var none = document.getElementById("live-none");
  if (!list || !state || !window.EventSource) {
    return;
  }
  var source = new EventSource("/staff/watch/events");
  var opened = Date.now();
  source.addEventListener("open", function () {
    opened = Date.now();
    state.textContent = state.dataset.on;
  });
  // Each answer ends when it has told something, and the browser asks again: only a longer silence is a fault.
  setInterval(function () {
    if (source.readyState === EventSource.CLOSED || (source.readyState === EventSource.CONNECTING && Date.now() - opened > 25000)) {
      state.textContent = state.dataset.off;
    }
  }, 1000);
  source.addEventListener("case", function (event) {
    var found = JSON.parse(event.data);
    var item = document.createElement("li");
    item.id = "case-" + found.incident;
    var link = document.createElement("a");
    link.href = "/staff/watch/case/" + encodeURIComponent(found.incident);
    link.textContent = found.title;
    var about = document.createElement("p");
    about.className = "soft";
    about.textContent = found.about;
    item.append(link, about);
    var before = document.getElementById(item.id);
    if (before) {
      before.remove();
    }
    list.prepend(item);
    while (list.children.length > 100) {
      list.lastElementChild.remove();
    }
    none.hidden = true;
  });
})();
