//! How the page looks: light or dark as the reader likes it, on a phone, a desk and on paper.

/// The style sheet.
pub const STYLE: &str = r#"
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--line:#e3e6eb;--grid:#eceef2;
--ink:#1a1f29;--soft:#5d6675;--faint:#8a93a3;--bar:#3867d6;--gone:#e7a33e;--bad:#c0392b;
--badge:#fdecea;
--s0:#3867d6;--s1:#e08a2e;--s2:#1f9d78;--s3:#c2477f;--s4:#7b5cc4;--s5:#2a9db5;--s6:#a08a1c;
--s7:#9aa3b2}
@media(prefers-color-scheme:dark){:root{--page:#12151b;--card:#1a1f28;--line:#2b323e;
--grid:#262d38;--ink:#e8ebf0;--soft:#a5aebc;--faint:#7d8797;--bar:#6c93f5;--gone:#e0a24a;
--bad:#ff8a7a;--badge:#3a2220;
--s0:#6c93f5;--s1:#f0a35b;--s2:#4cc39c;--s3:#e27aa8;--s4:#a48ae8;--s5:#56c2d9;--s6:#cdb64a;
--s7:#6d7788}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;
font-variant-numeric:tabular-nums}
main{max-width:1240px;margin:0 auto;padding:28px 20px 48px}
header{margin-bottom:20px}
h1{font-size:26px;line-height:1.2;letter-spacing:-.01em;margin:0 0 4px;font-weight:650}
h2{font-size:16px;line-height:1.3;margin:0;font-weight:620}
p{margin:0}
.sub{color:var(--soft);font-size:13.5px;overflow-wrap:anywhere}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(148px,1fr));gap:12px;
margin-bottom:16px}
.tile{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:14px 16px}
.tile .name{color:var(--soft);font-size:12.5px}
.tile .number{font-size:24px;line-height:1.25;font-weight:640;letter-spacing:-.01em}
.tile .more{color:var(--faint);font-size:12.5px;overflow-wrap:anywhere}
.note{background:var(--badge);color:var(--bad);border-radius:10px;padding:10px 14px;
margin-bottom:16px;font-size:14px;overflow-wrap:anywhere}
.grid{display:grid;grid-template-columns:repeat(12,minmax(0,1fr));gap:16px}
.card{grid-column:span 12;background:var(--card);border:1px solid var(--line);
border-radius:12px;padding:18px 20px;min-width:0;break-inside:avoid}
.card>.sub{margin:2px 0 14px}
.half{grid-column:span 12}
.stack{display:flex;flex-direction:column;gap:16px;min-width:0}
.stack>.card:last-child{flex:1}
@media(min-width:900px){.half{grid-column:span 6}}
.plot{display:grid;grid-template-columns:auto minmax(0,1fr);column-gap:8px}
.plot svg{display:block;width:100%;height:220px;overflow:visible}
.ys{position:relative;height:220px;min-width:44px;font-size:11.5px;color:var(--faint)}
.ys span{position:absolute;right:0;transform:translateY(50%);white-space:nowrap}
.ys i{visibility:hidden;font-style:normal;white-space:nowrap}
.xs{grid-column:2;position:relative;height:20px;font-size:11.5px;color:var(--faint)}
.xs span{position:absolute;top:4px;transform:translateX(-50%);white-space:nowrap}
.xs .first{transform:none}.xs .last{transform:translateX(-100%)}
line{stroke:var(--grid);stroke-width:1}
line.base{stroke:var(--line)}
.mark{fill:var(--bar)}
.slot:hover .mark,.mark:hover{opacity:.75}
.s0{fill:var(--s0)}.s1{fill:var(--s1)}.s2{fill:var(--s2)}.s3{fill:var(--s3)}
.s4{fill:var(--s4)}.s5{fill:var(--s5)}.s6{fill:var(--s6)}.s7{fill:var(--s7)}
.kept{fill:var(--bar)}.gone{fill:var(--gone)}
.legend{display:flex;flex-wrap:wrap;gap:4px 16px;margin-top:10px;font-size:12.5px;
color:var(--soft)}
.legend span{display:inline-flex;align-items:center;gap:6px;min-width:0;overflow-wrap:anywhere}
.legend svg{width:10px;height:10px;flex:none}
.rows{display:grid;grid-template-columns:minmax(70px,34%) minmax(0,1fr) auto;gap:5px 12px;
align-items:center;font-size:13px}
.rows .what{overflow:hidden;text-overflow:ellipsis;white-space:nowrap;min-width:0}
.rows .what small{color:var(--faint);font-size:11.5px}
.rows svg{display:block;width:100%;height:14px}
.rows .track{fill:var(--grid)}
.rows .much{text-align:right;white-space:nowrap;color:var(--soft);font-size:12.5px}
code,.key{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;
font-size:.93em}
.scroll{overflow-x:auto;margin:12px -20px 0;padding:0 20px}
table{border-collapse:collapse;width:100%;font-size:13px}
th{color:var(--soft);font-weight:550;text-align:left;border-bottom:1px solid var(--line);
padding:5px 14px 5px 0;white-space:nowrap}
td{border-bottom:1px solid var(--grid);padding:5px 14px 5px 0;white-space:nowrap}
tr:last-child td{border-bottom:0}
th:last-child,td:last-child{padding-right:0}
.n{text-align:right}
.bad{color:var(--bad);font-weight:600}
summary{cursor:pointer;font-weight:620;font-size:16px}
summary::marker{color:var(--faint)}
.empty{color:var(--faint);font-size:13.5px;margin-top:10px}
footer{color:var(--faint);font-size:12.5px;margin-top:20px;overflow-wrap:anywhere}
@media(max-width:560px){main{padding:18px 12px 32px}.card{padding:14px}
.scroll{margin:12px -14px 0;padding:0 14px}.tiles{grid-template-columns:1fr 1fr;gap:8px}
.tile{padding:10px 12px}.tile .number{font-size:20px}h1{font-size:21px}
.plot svg,.ys{height:180px}
.rows{grid-template-columns:minmax(0,1fr) auto;row-gap:2px}
.rows .what{grid-column:1/-1;margin-top:4px}}
@media print{:root{--page:#fff;--card:#fff;--ink:#000;--soft:#444;--faint:#666;--line:#ccc;
--grid:#e6e6e6}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
main{max-width:none;padding:0}.scroll{overflow:visible}table{font-size:10px}
td,th{padding-right:8px;white-space:normal}}
"#;
