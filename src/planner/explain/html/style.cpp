// SPDX-License-Identifier: Apache-2.0
#include "planner/explain/html/style.h"

namespace partita::planner {

// The six colours are those of Okabe and Ito, which stay apart for the colour-blind; on dark ground
// they are lighter.
const std::string_view kPageStyle = R"css(
:root { color-scheme: light dark; --ground: #fcfcfb; --text: #1c1c1a; --soft: #66665f;
  --line: #deded8; --panel: #f3f3ef;
  --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #b0599a; --c4: #b07d00; --c5: #3d95c9; }
@media (prefers-color-scheme: dark) { :root { --ground: #191918; --text: #ecece6; --soft: #a3a39a;
  --line: #3a3a37; --panel: #242422;
  --c0: #58a9dd; --c1: #f0894a; --c2: #35c79b; --c3: #dd93c6; --c4: #e3b23c; --c5: #8fcbee; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 24px; max-width: 1120px; background: var(--ground);
  color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 26px; margin: 0 0 4px; }
h2 { font-size: 18px; margin: 36px 0 10px; }
p { margin: 4px 0 10px; }
small, .soft { color: var(--soft); font-size: 13px; }
code { font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; white-space: nowrap; }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin: 18px 0; }
.tile { background: var(--panel); border-radius: 8px; padding: 10px 16px; flex: 1 1 150px; }
.tile strong { display: block; font-size: 22px; font-weight: 600; }
.axis { border-radius: 4px; padding: 1px 4px; border-bottom: 2px solid; }
.axis0 { border-color: var(--c0); background: color-mix(in srgb, var(--c0) 16%, transparent); }
.axis1 { border-color: var(--c1); background: color-mix(in srgb, var(--c1) 16%, transparent); }
.axis2 { border-color: var(--c2); background: color-mix(in srgb, var(--c2) 16%, transparent); }
.axis3 { border-color: var(--c3); background: color-mix(in srgb, var(--c3) 16%, transparent); }
.axis4 { border-color: var(--c4); background: color-mix(in srgb, var(--c4) 16%, transparent); }
.axis5 { border-color: var(--c5); background: color-mix(in srgb, var(--c5) 16%, transparent); }
.legend { display: flex; flex-wrap: wrap; gap: 6px 18px; }
.key { display: inline-flex; align-items: center; gap: 6px; font-size: 13px; color: var(--soft); }
.swatch { width: 12px; height: 12px; border-radius: 3px; display: inline-block; }
.mesh { display: flex; flex-wrap: wrap; gap: 10px; align-items: center; }
.block { background: var(--panel); border-radius: 8px; padding: 10px 14px; }
.block strong, .block small { display: block; }
.devices { display: flex; gap: 4px; margin: 4px 0; }
.device { width: 34px; height: 26px; border-radius: 4px; font-size: 12px; display: flex;
  align-items: center; justify-content: center; border: 1px solid; }
.stage0 { border-color: var(--c0); background: color-mix(in srgb, var(--c0) 22%, transparent); }
.stage1 { border-color: var(--c1); background: color-mix(in srgb, var(--c1) 22%, transparent); }
.stage2 { border-color: var(--c2); background: color-mix(in srgb, var(--c2) 22%, transparent); }
.stage3 { border-color: var(--c3); background: color-mix(in srgb, var(--c3) 22%, transparent); }
.stage4 { border-color: var(--c4); background: color-mix(in srgb, var(--c4) 22%, transparent); }
.stage5 { border-color: var(--c5); background: color-mix(in srgb, var(--c5) 22%, transparent); }
.arrow { color: var(--soft); }
.timeline { width: 100%; display: block; background: var(--panel); border-radius: 4px; }
.compute { fill: var(--c0); } .comm { fill: var(--c1); }
.timeline .border { stroke: var(--line); stroke-width: 1; vector-effect: non-scaling-stroke; }
.swatch.compute { background: var(--c0); } .swatch.comm { background: var(--c1); }
.ends { display: flex; justify-content: space-between; }
.memory { display: flex; align-items: center; gap: 12px; margin: 6px 0; font-size: 13px; }
.who { flex: 0 0 150px; } .total { flex: 0 0 140px; color: var(--soft); }
.bar { flex: 1; position: relative; height: 20px; display: flex; background: var(--panel); }
.part { height: 100%; }
.kind0 { background: var(--c0); } .kind1 { background: var(--c2); }
.kind2 { background: var(--c4); } .kind3 { background: var(--c1); }
.kind4 { background: repeating-linear-gradient(45deg, var(--soft) 0 2px, transparent 2px 5px); }
.limit { position: absolute; top: -4px; bottom: -4px; width: 0; border-left: 2px solid var(--text);
  margin-left: -2px; }
.limit-key { width: 0; border-left: 2px solid var(--text); border-radius: 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
th { text-align: left; font-weight: 600; color: var(--soft); }
th, td { padding: 4px 12px 4px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
tr.collective td { color: var(--soft); border-bottom-style: dotted; }
tr.collective td:first-child { padding-left: 18px; }
tr.chosen td { font-weight: 600; }
details { background: var(--panel); border-radius: 8px; padding: 8px 14px; margin: 8px 0; }
summary { cursor: pointer; font-weight: 600; }
summary .soft { font-weight: 400; }
.pin { color: var(--c1); }
)css";

}  // namespace partita::planner
