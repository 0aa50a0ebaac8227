use maud::{DOCTYPE, Markup, PreEscaped, html};

/// How all reports look: light or dark as the reader's system is.
const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1f2328; --paper: #ffffff; --faint: #d1d9e0;
  --muted: #59636e; --old: #4f86d6; --new: #d95f02; --notice: #fff3d6; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --paper: #0d1117; --faint: #3d444d; --muted: #9198a1; --old: #79aef2;
    --new: #f0883e; --notice: #3b2e0d; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; } .wide { overflow-x: auto; }
th, td { padding: .25rem .75rem; border-bottom: 1px solid var(--faint); text-align: left;
  vertical-align: top; }
th { font-weight: 600; color: var(--muted); } .number { text-align: right;
  font-variant-numeric: tabular-nums; } .changed { background: var(--notice); font-weight: 600; }
code { font: .875em ui-monospace, monospace; overflow-wrap: anywhere; } .muted { color: var(--muted); }
svg { width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; fill: var(--muted); }
.axis { stroke: var(--faint); } .old { stroke: var(--old); fill: var(--old); }
.new { stroke: var(--new); fill: var(--new); } .area { stroke: none; fill-opacity: .18; }
.line { fill: none; stroke-width: 1.5; } .line.new { stroke-dasharray: 6 6; } .mark { stroke-dasharray: 5 3; stroke-width: 1.5; }
svg text.old, svg text.new { stroke: none; } svg text.old { fill: var(--old); }
svg text.new { fill: var(--new); }
";

/// A page with a title and a body.
pub(in crate::cli) fn page(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    };
    page.into_string()
}
