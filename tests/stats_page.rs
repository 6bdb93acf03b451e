//! The page of `logcompact stats --html`, looked at in a real browser: every plot is there, with as
//! many marks as the numbers say; nothing hostile runs, nothing is loaded, nothing overflows.
//!
//! Without a browser (`chromium`, or what `LOGCOMPACT_BROWSER` names) the tests say so and pass,
//! unless `LOGCOMPACT_NEEDS_BROWSER=1`.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::log::{Log, Pair, put};
use support::logcompact;

const HOSTILE_KEYS: [&str; 4] = [
    "<script>document.title='hacked'</script>",
    "\"><img src=x onerror=\"document.title='hacked'\">",
    "</title></style></svg><svg onload=\"document.title='hacked'\">",
    "&lt;b&gt;' onmouseover='document.title=1",
];

/// A browser, if there is one.
fn browser() -> Option<PathBuf> {
    let named = std::env::var_os("LOGCOMPACT_BROWSER").map(PathBuf::from);
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let known = std::env::split_paths(&paths)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|path| path.is_file());
    let found = named.or(known);
    let is_needed = std::env::var_os("LOGCOMPACT_NEEDS_BROWSER").is_some_and(|needs| needs == "1");
    assert!(found.is_some() || !is_needed, "there is no Chromium, and one is needed");
    if found.is_none() {
        eprintln!("there is no Chromium: the page was not looked at");
    }
    found
}

/// What the browser prints on standard output and on standard error.
fn browse(browser: &Path, folder: &Path, options: &[&str], page: &Path) -> (String, String) {
    let (out, err) = (folder.join("out"), folder.join("err"));
    let file = |path: &Path| Stdio::from(fs::File::create(path).unwrap());
    let mut child = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"])
        .args(["--no-first-run", "--disable-extensions", "--disable-background-networking"])
        .args(["--disable-dev-shm-usage", "--enable-logging=stderr", "--log-level=0"])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .args(options)
        .arg(format!("file://{}", page.display()))
        .stdout(file(&out))
        .stderr(file(&err))
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > Duration::from_secs(240) {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("the browser did not come back: {}", fs::read_to_string(err).unwrap());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let text = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    (text(&out), text(&err))
}

/// A log directory with hostile names and keys; the page, and the numbers that it is made of.
fn page(folder: &Path) -> (PathBuf, Value) {
    let logs = folder.join("logs");
    for (topic, batches) in [("orders", 30), ("users", 12), ("<i>odd&topic", 5)] {
        let mut log = Log::create(&logs, &format!("{topic}-0"));
        log.now_ms = 1_795_213_140_000;
        let long = "a-rather-long-key-that-does-not-fit-into-its-column-".repeat(4);
        for number in 0..batches {
            let value = "v".repeat(10 << (number % 9));
            let plain = format!("key-{}", number % 3);
            let mut records: Vec<Pair<'_>> = vec![put(&plain, &value), put(&long, "1")];
            records.extend(HOSTILE_KEYS.iter().take(number as usize % 5).map(|key| put(key, "1")));
            log.batch(&records);
            log.now_ms += 1000;
            if number % 10 == 9 {
                log.roll();
            }
        }
        log.transactional(7, &[put("open", "1")]).flush();
    }
    let page = folder.join("page.html");
    let output = logcompact()
        .args(["stats", "--json", "--now", "1795300000000", "--html"])
        .arg(&page)
        .arg(&logs)
        // No name of Kafka's: it is read if it is named.
        .arg(logs.join("<i>odd&topic-0"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (page, serde_json::from_slice(&output.stdout).unwrap())
}

/// A copy of the page that tells about itself to the page around it.
fn probed(page: &Path) -> PathBuf {
    const PROBE: &str = r#"<script>
const wide = innerWidth, over = [];
for (const e of document.querySelectorAll('main *')) {
  if (e.closest('.scroll, title') || e.parentElement.closest('.what')) continue; // cut off there
  const box = e.getBoundingClientRect();
  if (box.width > 0 && (box.right > wide + 1 || box.left < -1)) over.push(e.outerHTML.slice(0, 80));
}
const plots = [...document.querySelectorAll('[id^=plot-]')].map(e => {
  const box = e.getBoundingClientRect();
  const flat = [...e.querySelectorAll('.mark')].filter(m => m.getBBox().height <= 0).length;
  return {id: e.id, width: box.width, height: box.height, flat};
});
parent.postMessage('PROBE' + JSON.stringify({
  wide, over, plots, page: document.documentElement.scrollWidth, title: document.title,
  resources: performance.getEntriesByType('resource').map(r => r.name),
  scripts: document.scripts.length, images: document.images.length
}) + 'END', '*');
</script>"#;
    let text = fs::read_to_string(page).unwrap();
    let from = text.find("<meta http-equiv").unwrap();
    let to = from + text[from..].find('>').unwrap() + 1;
    let text =
        format!("{}{}", &text[..from], &text[to..]).replace("</body>", &format!("{PROBE}</body>"));
    let probed = page.with_file_name("probed.html");
    fs::write(&probed, text).unwrap();
    probed
}

/// A page around it that is `width` pixels wide, which a window might not be, and shows what it is
/// told.
fn frame(probed: &Path, width: u64) -> PathBuf {
    let text = format!(
        "<!doctype html><pre id=told></pre><script>onmessage = message => \
         document.getElementById('told').textContent = message.data</script>\
         <iframe src=\"{}\" width=\"{width}\" height=\"1000\" frameborder=\"0\"></iframe>",
        probed.file_name().unwrap().to_str().unwrap()
    );
    let frame = probed.with_file_name("frame.html");
    fs::write(&frame, text).unwrap();
    frame
}

fn told(dom: &str) -> Value {
    let from = dom.find("PROBE{").expect("the probe did not run") + "PROBE".len();
    let to = from + dom[from..].find("END</pre>").unwrap();
    let text = dom[from..to].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    serde_json::from_str(&text).unwrap()
}

/// How many marks a plot has in the page as the browser has read it.
fn marks(dom: &str, plot: &str, class: &str) -> usize {
    let from = dom.find(&format!("id=\"{plot}\"")).unwrap_or_else(|| panic!("no {plot}"));
    let to = dom[from..].find("</section>").unwrap();
    dom[from..from + to].matches(&format!("class=\"{class}")).count()
}

/// The moments that a timeline of the numbers has something for.
fn moments(part: &Value) -> Vec<i64> {
    let buckets = part["bytes_over_time"]["buckets"].as_array().unwrap();
    buckets.iter().map(|bucket| bucket["start_ms"].as_i64().unwrap()).collect()
}

/// How wide bars must be for the plot to have no more than 240 of them.
fn bar_width_ms(totals: &Value) -> i64 {
    let all = moments(totals);
    let (from, to) = (all[0], all[all.len() - 1]);
    let widths = [1, 5, 10, 50, 100, 500, 1000, 5000];
    widths.into_iter().find(|width| to / width - from / width < 240).unwrap()
}

fn bars(part: &Value, width_ms: i64) -> usize {
    let mut bars: Vec<i64> = moments(part).iter().map(|at| at / width_ms).collect();
    bars.dedup();
    bars.len()
}

#[test]
fn every_plot_is_there_with_as_many_marks_as_the_numbers_say() {
    let Some(browser) = browser() else { return };
    let temp = tempfile::tempdir().unwrap();
    let (page, report) = page(temp.path());
    let (dom, log) = browse(&browser, temp.path(), &["--dump-dom"], &page);
    let totals = &report["totals"];
    let list = |value: &Value| value.as_array().unwrap().len();
    let filled = |histogram: &Value| {
        let buckets = histogram["buckets"].as_array().unwrap().iter();
        buckets.filter(|bucket| bucket["count"].as_u64().unwrap() > 0).count()
    };
    let width_ms = bar_width_ms(totals);
    assert_eq!(marks(&dom, "plot-time", "slot"), bars(totals, width_ms));
    let topics = report["topics"].as_array().unwrap().iter();
    let pieces: usize = topics.map(|topic| bars(topic, width_ms)).sum();
    assert_eq!(marks(&dom, "plot-time", "mark"), pieces);
    assert_eq!(marks(&dom, "plot-savings", "mark kept"), list(&report["partitions"]));
    assert_eq!(marks(&dom, "plot-savings", "mark gone"), list(&report["partitions"]));
    assert_eq!(marks(&dom, "plot-batches", "mark"), filled(&totals["batch_bytes"]));
    assert_eq!(marks(&dom, "plot-records", "mark"), filled(&totals["batch_records"]));
    for (plot, top) in
        [("plot-keys-records", "top_by_records"), ("plot-keys-bytes", "top_by_bytes")]
    {
        assert_eq!(marks(&dom, plot, "mark"), list(&totals["keys"][top]));
        assert!(list(&totals["keys"][top]) > 5);
    }
    assert!(filled(&totals["batch_bytes"]) > 4 && pieces > 30, "too little to see anything");
    // As text, and only as text.
    assert!(dom.contains("&lt;script&gt;document.title="), "the hostile key is not shown");
    assert!(dom.contains("&lt;i&gt;odd&amp;topic"), "the hostile topic is not shown");
    assert!(!dom.contains("<script") && !dom.contains("<img"), "a key became markup");
    let complaints: Vec<&str> = log.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
}

#[test]
fn nothing_is_loaded_nothing_runs_and_nothing_overflows_from_a_phone_to_a_wall() {
    let Some(browser) = browser() else { return };
    let temp = tempfile::tempdir().unwrap();
    let (page, _) = page(temp.path());
    let text = fs::read_to_string(&page).unwrap();
    assert!(text.contains("http-equiv=\"Content-Security-Policy\" content=\"default-src 'none';"));
    for outside in
        ["http:", "https:", "src=\"", "url(", "@import", "<script", "<iframe", "<link rel=\"style"]
    {
        assert!(!text.contains(outside), "{outside}");
    }
    let probed = probed(&page);
    for width in [400, 1600] {
        let options = ["--dump-dom", "--window-size=1700,1100", "--virtual-time-budget=3000"];
        let (dom, _) = browse(&browser, temp.path(), &options, &frame(&probed, width));
        let told = told(&dom);
        assert_eq!(told["wide"], width, "{told}");
        assert_eq!(told["over"], serde_json::json!([]), "{width}: {told}");
        assert!(told["page"].as_u64().unwrap() <= width, "{told}");
        assert_eq!(told["resources"], serde_json::json!([]), "{told}");
        // The probe's own script is the only one, and nobody has changed the title.
        assert_eq!((&told["scripts"], &told["images"]), (&1.into(), &0.into()), "{told}");
        assert_eq!(told["title"], "Kafka logs: what is in them");
        let plots = told["plots"].as_array().unwrap();
        assert_eq!(plots.len(), 6, "{told}");
        for plot in plots {
            assert!(plot["width"].as_f64().unwrap() > 250.0, "{width}: {plot}");
            assert!(plot["height"].as_f64().unwrap() > 30.0, "{width}: {plot}");
            assert_eq!(plot["flat"], 0, "{width}: {plot}");
        }
    }
    let picture = temp.path().join("page.png");
    let option = format!("--screenshot={}", picture.display());
    browse(&browser, temp.path(), &[&option, "--window-size=1280,1600"], &page);
    let picture = fs::read(picture).unwrap();
    assert!(picture.starts_with(b"\x89PNG") && picture.len() > 20_000, "{} bytes", picture.len());
}
