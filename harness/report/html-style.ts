/** The report's style sheet: system fonts, light and dark by preference, one column on a phone, ink-saving in print. */
export const STYLE = `
:root{color-scheme:light dark;
--bg:#f6f7f9;--card:#fff;--ink:#16191d;--soft:#59626e;--line:#dfe3e8;--hair:#edf0f3;--link:#0b57b0;
--good:#0f7a3d;--good-bg:#e5f5eb;--bad:#b3201f;--bad-bg:#fdeaea;--warn:#8a5300;--warn-bg:#fdf2dc;--mute:#57606b;--mute-bg:#eceff2;
--band:#e2574c;--c0:#0067b1;--c1:#c2570c;--c2:#00856a;--c3:#8d4bb5;--c4:#a1662c;--c5:#4a6572}
@media (prefers-color-scheme:dark){:root{
--bg:#101317;--card:#181c22;--ink:#e8ebef;--soft:#9aa5b1;--line:#2c333c;--hair:#222830;--link:#7cb8ff;
--good:#5fd391;--good-bg:#12301f;--bad:#ff8b84;--bad-bg:#3a1818;--warn:#f3bd5c;--warn-bg:#35270c;--mute:#a7b0ba;--mute-bg:#262c34;
--band:#ff7168;--c0:#5aaef5;--c1:#f79a55;--c2:#3fc7a3;--c3:#c795ea;--c4:#d8a873;--c5:#9db8c6}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif}
main,header.top,footer{max-width:1180px;margin:0 auto;padding:0 24px}
code,.mono{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.88em}
a{color:var(--link)}
:focus-visible{outline:2px solid var(--link);outline-offset:2px;border-radius:4px}
h1,h2,h3{line-height:1.25;margin:0}
h2{font-size:19px;letter-spacing:-.01em}
p.lead{margin:14px 0 0;color:var(--soft);max-width:75ch}
h2+p.lead{margin-top:4px}
section{margin:36px 0 0}
.card{background:var(--card);border:1px solid var(--line);border-radius:12px;margin-top:14px}
header.top{display:flex;flex-wrap:wrap;gap:4px 16px;align-items:baseline;padding-top:26px;color:var(--soft)}
header.top b{color:var(--ink);font-size:17px;letter-spacing:-.02em}
header.top nav{margin-left:auto;display:flex;flex-wrap:wrap;gap:2px 16px}
header.top nav a{text-decoration:none}
header.top nav a:hover{text-decoration:underline}
.banner{display:grid;grid-template-columns:auto 1fr;gap:4px 18px;align-items:center;padding:22px 24px 18px 20px}
#verdict{border-left:6px solid var(--tone);margin-top:14px}
.banner .sign{grid-row:span 2;display:grid;place-items:center;width:54px;height:54px;border-radius:50%;background:var(--tone-bg);color:var(--tone);font-size:26px;font-weight:700}
.banner h1{font-size:25px;letter-spacing:-.02em;color:var(--tone)}
.banner p{margin:0;font-size:17px;overflow-wrap:anywhere}
.banner p.found{grid-column:2;font-size:15px;color:var(--soft)}
.counts{display:flex;flex-wrap:wrap;gap:8px;padding:0 24px 20px 92px;margin:0;list-style:none}
.good{--tone:var(--good);--tone-bg:var(--good-bg)}.bad{--tone:var(--bad);--tone-bg:var(--bad-bg)}
.warn{--tone:var(--warn);--tone-bg:var(--warn-bg)}.mute{--tone:var(--mute);--tone-bg:var(--mute-bg)}
.verdict{display:inline-block;white-space:nowrap;padding:1px 10px 2px 8px;border-radius:99px;font-size:13px;font-weight:600;color:var(--tone);background:var(--tone-bg)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(200px,1fr));gap:14px;margin-top:14px}
.tiles .card{margin:0;padding:15px 18px 14px;min-width:0}
.tiles dt{color:var(--soft);font-size:13px}
.tiles dd{margin:0}
.tiles .big{font-size:25px;font-weight:650;letter-spacing:-.02em;line-height:1.3;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.tiles .note{font-size:13px;color:var(--soft)}
dl.facts{display:grid;grid-template-columns:max-content 1fr;gap:7px 20px;margin:0;padding:18px 24px}
dl.facts dt{color:var(--soft)}
dl.facts dd{margin:0;min-width:0;overflow-wrap:anywhere}
.command{display:flex;gap:8px;align-items:flex-start}
.command code{flex:0 1 auto;background:var(--mute-bg);border-radius:6px;padding:3px 9px;overflow-wrap:anywhere}
button{font:inherit;font-size:13px;color:var(--link);background:none;border:1px solid var(--line);border-radius:6px;padding:2px 10px;cursor:pointer}
button:hover{background:var(--hair)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;vertical-align:top;padding:9px 12px;border-top:1px solid var(--hair)}
thead th{border-top:0;color:var(--soft);font-size:13px;font-weight:600;white-space:nowrap;border-bottom:1px solid var(--line)}
tbody+tbody>tr:first-child>*{border-top:1px solid var(--line)}
th:first-child,td:first-child{padding-left:24px}th:last-child,td:last-child{padding-right:24px}
.num{text-align:right;white-space:nowrap}
td .sub,th .sub{display:block;color:var(--soft);font-size:12.5px;font-weight:400;white-space:normal}
.num .sub{white-space:nowrap}
.num .why{color:var(--soft);font-size:13px}
tbody th{font-weight:600;white-space:nowrap}
tr.folded>td{border-top:0;padding-top:0}tr.folded details>summary{margin:0}tr.folded table{margin:6px 0 8px}tr.folded td,tr.folded th{padding:4px 12px}
td.key{white-space:nowrap}
.req td.text{width:100%;overflow-wrap:anywhere}
.reason{margin:6px 0 0;padding:7px 11px;border-left:3px solid var(--tone);background:var(--tone-bg);border-radius:0 6px 6px 0;white-space:pre-wrap;overflow-wrap:anywhere}
details>summary{cursor:pointer;color:var(--link);width:fit-content;margin-top:3px;font-size:13.5px}
ol.cases{list-style:none;margin:8px 0 2px;padding:0}
ol.cases>li{padding:9px 0 8px;border-top:1px solid var(--hair)}
ol.cases .head{display:flex;flex-wrap:wrap;gap:3px 12px;align-items:baseline}
ol.cases .head .ms{margin-left:auto;color:var(--soft);font-size:13px}
ul.evidence{display:flex;flex-wrap:wrap;gap:5px 7px;list-style:none;margin:6px 0 0;padding:0}
ul.evidence li{font-size:12.5px;border:1px solid var(--line);border-radius:6px;padding:0 8px;overflow-wrap:anywhere}
ul.evidence b{font-weight:600}
p.places{margin:6px 0 0;font-size:12.5px;color:var(--soft);overflow-wrap:anywhere}
ul.evidence .below{border-color:var(--warn);color:var(--warn)}
.legend{display:flex;flex-wrap:wrap;gap:4px 20px;list-style:none;margin:0;padding:16px 24px 4px;font-size:13px;color:var(--soft)}
.legend li{display:flex;align-items:center;gap:7px}
.legend svg{flex:none}
figure{margin:0;padding:12px 24px 8px;border-top:1px solid var(--hair)}
figcaption{font-weight:600;overflow-wrap:anywhere}
figcaption span{color:var(--soft);font-weight:400}
svg.panel{display:block;width:100%;min-width:680px;height:auto;margin-top:4px}
svg text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif;fill:var(--soft)}
svg .band{fill:var(--band);fill-opacity:.13}
svg .band.lane{fill-opacity:.75}
svg .band-edge{stroke:var(--band);stroke-width:1.5;fill:none}
svg .band-label{fill:var(--ink);font-weight:600}
svg .grid{stroke:var(--line);stroke-width:1;fill:none}svg .grid.minor{stroke:var(--hair);stroke-width:.7}
svg .axis{stroke:var(--soft);stroke-width:1;fill:none}
.s{fill:none;stroke-width:3.4;stroke-linecap:round;stroke-opacity:.72}
.s.open{stroke-opacity:.42}.s:hover{stroke-width:6;stroke-opacity:1}
.s.censored{stroke:none;fill-opacity:.95}
${[0, 1, 2, 3, 4, 5].map((c) => `.c${c}{stroke:var(--c${c})}.censored.c${c}{fill:var(--c${c})}`).join('')}
.empty{padding:18px 24px;margin:0;color:var(--soft)}
footer{padding-top:34px;padding-bottom:46px;color:var(--soft);font-size:13.5px}
@media (max-width:720px){
main,header.top,footer{padding-left:14px;padding-right:14px}
.banner{padding:16px;gap:4px 13px}.banner .sign{grid-row:auto;width:42px;height:42px;font-size:20px}.banner p,.banner p.found{grid-column:1/-1;font-size:16px}
.counts{padding:0 16px 16px}
dl.facts{grid-template-columns:1fr;gap:1px;padding:14px 16px}dl.facts dd{margin-bottom:9px}
header.top nav{margin-left:0;width:100%}
.tiles{grid-template-columns:repeat(2,minmax(0,1fr));gap:10px}.tiles .card{padding:12px 13px}.tiles .big{font-size:18px}
th:first-child,td:first-child{padding-left:14px}th:last-child,td:last-child{padding-right:14px}
figure{padding:12px 14px 6px}.legend{padding:14px 14px 2px}
.req thead{display:none}.req,.req tbody,.req tr,.req td,.req th{display:block;width:auto}
.req tbody{padding:12px 14px;border-top:1px solid var(--line)}.req td,.req tbody th{border:0!important;padding:0}
.req tr{display:grid;grid-template-columns:auto auto 1fr;gap:4px 10px;align-items:baseline}
.req td.text{grid-column:1/-1;grid-row:2}.req .num{text-align:right}}
@media print{body{background:#fff;font-size:11px}main,header.top,footer{max-width:none;padding:0}
.card{break-inside:avoid-page;border-color:#bbb}.card:has(.req),.card:has(figure){break-inside:auto}figure,tr{break-inside:avoid}button,header.top nav{display:none}
svg.panel{min-width:0}.scroll{overflow:visible}}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
`;

/** The one script: the copy button. Without clipboard permission it selects the text instead. */
export const SCRIPT = `
for (const button of document.querySelectorAll('button[data-copy]')) {
  button.hidden = false;
  button.addEventListener('click', async () => {
    const source = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = 'Copied';
    } catch {
      getSelection().selectAllChildren(source);
      button.textContent = 'Selected';
    }
    setTimeout(() => { button.textContent = 'Copy'; }, 2000);
  });
}
`;
