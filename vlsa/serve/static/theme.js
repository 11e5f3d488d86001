// Sets the remembered colours before anything is painted; without a choice the system's are used.
(() => {
  let chosen = null;
  try { chosen = localStorage.getItem("vlsa.theme"); } catch { /* storage is switched off */ }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
